# The flake's outputs with <nixpkgs> as its input, without copying either into the store.
{
  nixpkgs ? <nixpkgs>,
}:
let
  flakeOf =
    path: inputs:
    let
      outputs = (import (path + "/flake.nix")).outputs (inputs // { self = outputs // { outPath = path; }; });
    in
    outputs // { outPath = path; };
in
flakeOf ../../. { nixpkgs = flakeOf nixpkgs { }; }
