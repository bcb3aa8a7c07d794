// A click on "Stop My Server" does nothing before JupyterHub's script has come: until then it cannot be clicked.
require(["home"], function () {
  // What that script asks for too: by now it has hooked up the button.
  require(["jquery", "moment", "jhapi", "utils"], function ($) {
    $("#stop").addClass("ready");
  });
});
