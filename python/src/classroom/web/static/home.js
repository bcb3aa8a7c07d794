// Enables "Stop My Server" only after JupyterHub's script is loaded: until then a click would do nothing.
require(["home"], function () {
  // The same modules as in that script, so its click handler is installed by now.
  require(["jquery", "moment", "jhapi", "utils"], function ($) {
    $("#stop").addClass("ready");
  });
});
