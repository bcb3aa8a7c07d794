// Reloads the page of a server that stops: upstream waits five seconds, and a server that has died is gone at once.
"use strict";

window.setTimeout(() => window.location.reload(), 500 + 500 * Math.random());
