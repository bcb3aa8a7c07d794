# The layers of an image anew: those that it shares with every image of its kind come first, its own after them, so that a
# change of a course's packages moves these and no gigabytes. dockerTools would order all by how often they are needed,
# and put what is beyond its last layer, hundreds of megabytes, into that one.
{
  jq,
  lib,
  makeWrapper,
  runCommand,
}:
{
  # Of dockerTools.streamLayeredImage.
  image,
  # What is there whatever a course adds; all that it needs is there too.
  shared,
  # Layers of both kinds; with the one of links and folders that comes last, Docker's overlay2 takes 127.
  sharedLayers ? 100,
  ownLayers ? 18,
}:
let
  # The largest paths have a layer each, small ones share the last.
  program = ''
    ($attributes[0].all | map({ key: .path, value: .narSize }) | from_entries) as $size
    | ($attributes[0].shared | map({ key: .path, value: true }) | from_entries) as $is_shared
    | def layers($most):
        sort_by([ -$size[.], . ]) | [ .[: $most - 1][] | [ . ] ] + [ .[$most - 1 :] ] | map(select(. != [ ]));
    (.store_layers | add) as $paths
    | .store_layers =
        ($paths | map(select($is_shared[.])) | layers($sharedLayers))
        + ($paths | map(select($is_shared[.] | not)) | layers($ownLayers))
  '';
  conf =
    runCommand "${image.imageName}-conf.json"
      {
        __structuredAttrs = true;
        exportReferencesGraph = {
          inherit shared;
          all = [ image.conf ];
        };
        nativeBuildInputs = [ jq ];
        preferLocalBuild = true;
      }
      ''
        jq --slurpfile attributes "$NIX_ATTRS_JSON_FILE" \
          --argjson sharedLayers ${toString sharedLayers} --argjson ownLayers ${toString ownLayers} \
          ${lib.escapeShellArg program} ${image.conf} > ''${outputs[out]}
      '';
in
runCommand "stream-${image.imageName}"
  {
    inherit (image) imageName;
    nativeBuildInputs = [ makeWrapper ];
    preferLocalBuild = true;
    passthru = image.passthru // {
      inherit (image) imageTag;
      inherit conf;
      isExe = true;
    };
  }
  ''
    makeWrapper ${image.streamScript} $out --add-flags ${conf}
  ''
