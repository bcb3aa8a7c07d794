# nixpkgs with the tools of this Debian machine: stdenv is made of installed packages, each a store path with its
# libraries and loader next to it, so that it runs in images too. It is for machines that can evaluate nixpkgs, but
# reach neither its binary cache nor its sources: the derivations of this project are built and used. The results differ
# from those of NixOS; they show that the recipes work. It needs Debian 12 with Python 3.11.
{
  nixpkgs,
  # gixy 0.1.21 from PyPI, the version of 26.05.
  gixy,
  config ? { },
  overlays ? [ ],
  system ? "x86_64-linux",
  # A package with a source that must be fetched becomes an empty directory, so that whole systems build.
  stubs ? false,
}:
let
  lib = import (nixpkgs + "/lib");

  # nixpkgs attribute = "Debian packages and alias=target links"
  debs = {
    bash = "bash sh=bash"; bashInteractive = "bash sh=bash"; dash = "dash"; glibc = "libc-bin";
    coreutils = "coreutils"; findutils = "findutils"; diffutils = "diffutils"; gnugrep = "grep"; gnused = "sed";
    gawk = "gawk awk=gawk"; gnutar = "tar"; gnumake = "make"; gnupatch = "patch"; file = "file"; patchelf = "patchelf";
    gzip = "gzip"; bzip2 = "bzip2"; xz = "xz-utils"; zstd = "zstd"; pigz = "pigz"; brotli = "brotli";
    which = "debianutils which=which.debianutils"; jq = "jq"; perl = "perl-base"; rsync = "rsync"; git = "git";
    curl = "curl"; curlMinimal = "curl"; sqlite = "sqlite3"; nix = "nix-bin"; libxml2 = "libxml2-utils"; libxslt = "xsltproc";
    proot = "proot"; jshon = "jshon"; tini = "tini"; openssl = "openssl";
    util-linux = "util-linux mount bsdutils"; util-linuxMinimal = "util-linux mount"; shadow = "passwd login";
    procps = "procps"; iptables = "iptables"; nftables = "nftables"; systemd = "systemd"; systemdMinimal = "systemd"; iproute2 = "iproute2"; kmod = "kmod";
    restic = "restic"; openssh = "openssh-client";
    shellcheck = "shellcheck ShellCheck=shellcheck"; shellcheck-minimal = "shellcheck ShellCheck=shellcheck"; mypy = "mypy";
  };
  pythonDebs = { # also their modules
    flake8 = "flake8"; pyflakes = "pyflakes3 pyflakes=pyflakes3"; mypy = "mypy"; black = "black"; installer = "python3-installer";
    setuptools = "python3-setuptools"; wheel = "python3-wheel"; build = "python3-build"; packaging = "python3-packaging";
  };

  # passthru and meta come from `prev`. The script ends in a builtin, because
  # nix kills the builder as soon as its output is closed.
  host = name: prev: script:
    let
      out = derivation {
        inherit system; name = "${name}-host"; builder = "/bin/bash"; preferLocalBuild = true; allowSubstitutes = false;
        args = [ "-euo" "pipefail" "-c" "PATH=/usr/bin:/bin; export LC_ALL=C; umask 022; mkdir -p $out/bin $out/lib\n${script}\n${relocate}\nexit 0" ];
      };
      self = prev // out // lib.genAttrs (prev.outputs or [ "out" ]) (_: self) // {
        pname = name; version = prev.version or "0"; meta = prev.meta or { }; passthru = prev.passthru or { };
        stdenv = prev.stdenv or null; outputs = prev.outputs or [ "out" ]; outputName = "out";
        override = _: self; overrideDerivation = _: self; overridePythonAttrs = _: self;
        overrideAttrs = f: let a = f self; b = if lib.isFunction a then a self else a; in self // (b.passthru or { });
      };
    in self;

  relocate = ''
    patchelf --version > /dev/null # below, its failure says that a program is static
    elf() { [[ $(head -c4 "$1" | tr -d '\0') == $'\x7fELF' ]]; }
    find $out -type f \( -path "$out/bin/*" -o -name '*.so*' \) | while read -r f; do if elf $f; then echo $f; fi; done > elves
    xargs -r ldd 2>/dev/null < elves | sed -nE 's,^\s*([^ /]+ => )?(/[^ ]+) \(0x.*,\2,p' | sort -u | while read -r l; do cp -nL $l $out/lib/; done || true
    for f in $(cat elves) $out/lib/*.so*; do
      [[ $f == */ld-linux* || $f == */libc.so* || ! -f $f ]] && continue
      patchelf --print-rpath $f >/dev/null 2>&1 || continue # static
      chmod u+w $f
      if [[ $f == */bin/* ]] && patchelf --print-interpreter $f >/dev/null 2>&1; then patchelf --set-interpreter $out/lib/ld-linux-x86-64.so.2 $f; fi
      patchelf --force-rpath --set-rpath $out/lib $f
    done
    rmdir $out/lib 2>/dev/null || true'';

  fromDebs = spec: ''
    for w in ${spec}; do
      if [[ $w == *=* ]]; then ln -sfn "''${w#*=}" "$out/bin/''${w%%=*}"; continue; fi
      for f in $(dpkg -L $w | grep -E '^(/usr)?/s?bin/[^/]+$' || true); do
        t=$(readlink $f || true)
        if [[ $t && $t != */* ]]; then ln -sfn $t $out/bin/''${f##*/}; elif [[ -e $f ]]; then cp -L --no-preserve=all $f $out/bin/; chmod +x $out/bin/''${f##*/}; fi
      done
    done
    ln -sfn bin $out/sbin'';
  hostDeb = name: spec: prev: host name prev (fromDebs spec);
  hostModule = name: spec: prev: host name prev ''
    ${fromDebs spec}
    site=$out/lib/python3.11/site-packages; mkdir -p $site
    for w in ${spec}; do
      for m in $(dpkg -L python3-''${w#python3-} ''${w%%=*} 2>/dev/null | sed -nE 's,^(/usr/lib/python3/dist-packages/[^/]+)$,\1,p' | sort -u); do cp -r $m $site/; done
    done'';

  # Debian's Python with its library, so that its prefix is a store path, with
  # upstream's site-packages and nixpkgs' sitecustomize.
  hostPython = prev: hostPythonOf prev // { override = arguments: hostPython (prev.override arguments); };
  hostPythonOf = prev: host "python3" prev ''
    cp /usr/bin/python3.11 $out/bin/; ln -s python3.11 $out/bin/python3; ln -s python3.11 $out/bin/python
    cp -rL --no-preserve=ownership /usr/lib/python3.11 $out/lib/ 2>/dev/null || true; cd $out/lib/python3.11
    find . \( -name __pycache__ -o -name test -o -name 'config-3*' \) -prune -exec rm -rf {} +
    rm -f sitecustomize.py EXTERNALLY-MANAGED; cp ${nixpkgs + "/pkgs/development/interpreters/python/sitecustomize.py"} sitecustomize.py
    sed -i "s/deb_build = .*/deb_build = '''/; s/prefix_scheme = 'posix_local'/prefix_scheme = 'posix_prefix'/" sysconfig.py
    cp -L /usr/lib/x86_64-linux-gnu/{libgcc_s.so.1,libstdc++.so.6,libpthread.so.0,libdl.so.2,librt.so.1,libutil.so.1} $out/lib/ # what PyPI's wheels load
    echo 'site.addsitedir(os.path.dirname(__file__) + "/site-packages")' >> sitecustomize.py; cd - >/dev/null
    mkdir $out/nix-support; sed "s,@sitePackages@,lib/python3.11/site-packages," ${nixpkgs + "/pkgs/development/interpreters/python/setup-hook.sh"} > $out/nix-support/setup-hook
    SOURCE_DATE_EPOCH=1 python3.11 -m compileall -q -s $out -p $out --invalidation-mode unchecked-hash $out/lib/python3.11 || true # else root's runs write here'';

  overlay = final: prev: { fromHost = { inherit host fromDebs; }; } // builtins.mapAttrs (n: spec: hostDeb n spec prev.${n}) debs // {
    python311 = hostPython prev.python311;
    python3 = final.python311;
    makeBinaryWrapper = final.makeShellWrapper; # a compiled one would need the host's loader
    python3Packages = final.python311Packages;
    pythonPackagesExtensions = prev.pythonPackagesExtensions ++ [
      (_: pyprev: builtins.mapAttrs (n: spec: hostModule n spec pyprev.${n}) pythonDebs)
    ];
    fakeroot = host "fakeroot" prev.fakeroot ''
      ${fromDebs "fakeroot util-linux fakeroot=fakeroot-sysv"}
      cp /usr/lib/x86_64-linux-gnu/libfakeroot/libfakeroot-sysv.so $out/lib/
      sed -i "s,^FAKEROOT_PREFIX=.*,PATH=\$PATH:$out/bin; FAKEROOT_PREFIX=$out,; s,^FAKEROOT_BINDIR=.*,FAKEROOT_BINDIR=$out/bin,; s,^PATHS=.*,PATHS=$out/lib,; 1s,.*,#!${final.bash}/bin/sh," $out/bin/fakeroot-sysv'';
    fetchurl = prev.stdenv.fetchurlBoot;
    glibcLocales = host "glibc-locales" prev.glibcLocales "cp -r /usr/lib/locale $out/lib/";
    tzdata = host "tzdata" prev.tzdata "mkdir $out/share; cp -rL /usr/share/zoneinfo $out/share/";
    nixos-render-docs = host "nixos-render-docs" { } ''
      printf '%s\n' '#!/usr/bin/python3.11' 'import sys' 'sys.path.insert(0, "${nixpkgs + "/pkgs/by-name/ni/nixos-render-docs/src"}")' \
        'from nixos_render_docs import main' 'main()' > $out/bin/nixos-render-docs; chmod +x $out/bin/nixos-render-docs'';
    cacert = host "cacert" prev.cacert "mkdir -p $out/etc/ssl/certs; cp /etc/ssl/certs/ca-certificates.crt $out/etc/ssl/certs/ca-bundle.crt";
    gixy = host "gixy" prev.gixy "ln -s ${gixy} $out/bin/gixy";
    nginxStable = host "nginx" (prev.nginxStable // { version = "1.22.1"; }) ''
      ${fromDebs "nginx"}
      mkdir $out/conf; cp /etc/nginx/{mime.types,*_params,fastcgi.conf,koi-*,win-utf} $out/conf/'';
    hostNode = node: host "nodejs" prev.nodejs ''
      cp -L ${node} $out/bin/node; mkdir -p $out/lib/node_modules
      cp -r --no-preserve=ownership ${dirOf (dirOf node)}/lib/node_modules/npm $out/lib/node_modules/
      printf '#!%s\nexec %s "$@"\n' ${final.bash}/bin/sh "$out/bin/node $out/lib/node_modules/npm/bin/npm-cli.js" > $out/bin/npm; chmod +x $out/bin/npm'';
    mailcap = host "mailcap" prev.mailcap "mkdir -p $out/etc/nginx; cp /etc/nginx/mime.types $out/etc/nginx/";
    docker = host "docker" prev.docker "for b in docker dockerd; do ln -s /usr/bin/$b $out/bin/$b; done";
    xorg = prev.xorg // { lndir = hostDeb "lndir" "xutils-dev" prev.xorg.lndir; };
    hostDebs = lib.unique (builtins.filter (w: !lib.hasInfix "=" w) (lib.concatMap (lib.splitString " ") (builtins.attrValues (debs // pythonDebs)))
      ++ [ "fakeroot" "ca-certificates" "xutils-dev" "gcc" "nginx-light" "python3-markdown-it" "python3-mdit-py-plugins" ]);
  };

  stages = { lib, localSystem, config, overlays, ... }:
    let
      tool = n: hostDeb n debs.${n} { };
      fetchurl = lib.makeOverridable (import (nixpkgs + "/pkgs/build-support/fetchurl")) { inherit lib; stdenvNoCC = generic null null; curl = tool "curl"; };
      generic = fetchurlBoot: cc: import (nixpkgs + "/pkgs/stdenv/generic") {
        name = "stdenv-host"; inherit config cc fetchurlBoot;
        buildPlatform = localSystem; hostPlatform = localSystem; targetPlatform = localSystem;
        shell = "${tool "bash"}/bin/bash";
        initialPath = map tool [ "coreutils" "findutils" "diffutils" "gnused" "gnugrep" "gawk" "gnutar" "gzip" "bzip2" "gnumake" "bash" "gnupatch" "xz" "file" "patchelf" ];
        preHook = "export NIX_ENFORCE_PURITY= NIX_ENFORCE_NO_NATIVE=1";
        mkDerivationFromStdenv = stdenv: args:
          let
            real = (import (nixpkgs + "/pkgs/stdenv/generic/make-derivation.nix") { inherit lib config; } stdenv).mkDerivation args;
            attrs = if lib.isFunction args then real else args;
            isFetched = attrs ? src && (attrs.src ? outputHash || attrs.src ? urls) || attrs ? srcs;
          in
          if stubs && isFetched then host (builtins.replaceStrings [ "/" ] [ "-" ] (real.pname or "stub")) real "touch $out/.stub" else real;
      };
      native = {
        inherit lib; stdenvNoCC = generic fetchurl null; runtimeShell = "${tool "bash"}/bin/bash"; expand-response-params = "";
        nativeTools = true; nativeLibc = true; nativePrefix = "/usr"; propagateDoc = false;
      };
      gnu = name: spec: hostDeb name spec { version = "12"; isGNU = true; outputs = [ "out" "lib" "dev" ]; };
      bintools = import (nixpkgs + "/pkgs/build-support/bintools-wrapper") (native // { name = "bintools-host"; })
        // { bintools = gnu "binutils" "binutils"; isGNU = true; };
      cc = import (nixpkgs + "/pkgs/build-support/cc-wrapper") (native // { name = "cc-host"; inherit bintools; isGNU = true; })
        // { nativeTools = false; nativeLibc = false; nativePrefix = ""; # so that packages which look at it still evaluate
          cc = gnu "gcc" "gcc"; libc = hostDeb "glibc" debs.glibc { version = "2.36"; outputs = [ "out" "bin" "dev" "static" "getent" ]; }; };
    in
    [ ({ }: { inherit config overlays; stdenv = generic fetchurl cc; }) ];
in
import nixpkgs {
  inherit system;
  config = { allowUnfree = true; } // config;
  overlays = [ overlay ] ++ overlays;
  stdenvStages = stages;
}
