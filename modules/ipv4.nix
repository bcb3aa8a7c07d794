# Arithmetic of IPv4 networks, with which evaluation finds networks that overlap.
{ lib }:
let
  octets = address: map lib.toInt (lib.splitString "." address);
  toNumber = address: lib.foldl (sum: octet: sum * 256 + octet) 0 (octets address);
  fromNumber =
    number:
    lib.concatMapStringsSep "." (weight: toString (lib.mod (number / weight) 256)) [
      16777216
      65536
      256
      1
    ];
  power = exponent: if exponent == 0 then 1 else 2 * power (exponent - 1);

  # The first address of a network as a number, the number of its addresses, and the length of its prefix.
  parse =
    network:
    let
      parts = lib.splitString "/" network;
      prefix = lib.toInt (lib.last parts);
      count = power (32 - prefix);
      number = toNumber (lib.head parts);
    in
    {
      inherit prefix count;
      first = number - lib.mod number count;
      aligned = lib.mod number count == 0;
    };
in
{
  inherit parse;

  # The first address, which the host has on a bridge.
  gateway = network: fromNumber ((parse network).first + 1);

  valid =
    network:
    lib.all (octet: octet <= 255) (octets (lib.head (lib.splitString "/" network)))
    && lib.toInt (lib.last (lib.splitString "/" network)) <= 32
    && (parse network).aligned;

  overlap =
    left: right:
    let
      a = parse left;
      b = parse right;
    in
    a.first < b.first + b.count && b.first < a.first + a.count;
}
