# The image of a student's server: JupyterLab, the usual packages for notebooks, PyTorch; with or without CUDA.
{
  lib,
  callPackage,
  dockerTools,
  runCommand,
  writeText,
  python,
  # What a shell in JupyterLab and `%pip install` need.
  bashInteractive,
  cacert,
  coreutils,
  curl,
  dejavu_fonts,
  findutils,
  gawk,
  git,
  glibcLocales,
  gnugrep,
  gnumake,
  gnused,
  gnutar,
  gzip,
  less,
  makeFontsConf,
  nano,
  noto-fonts-color-emoji,
  openssh,
  procps,
  stdenv,
  tzdata,
  unzip,
  which,
  wqy_microhei,
  zip,
  zlib,
  cuda ? false,
  name ? if cuda then "classroom-student" else "classroom-student-cpu",
  # The course's own, added to the packages below.
  extraPythonPackages ? _: [ ],
  # The list of Docker's build too; nixpkgs or nix/pins.json has each.
  packages ?
    let
      lines = lib.splitString "\n" (lib.readFile ../python/locks/student.in);
      requirements = lib.filter (line: builtins.match "[a-z].*" line != null) lines;
    in
    ps: map (line: ps.${lib.head (builtins.match "([a-z0-9-]+).*" line)}) requirements,
  # The wheels that PyTorch's makers built: nobody's server compiles for hours.
  torch ? ps: if cuda then [ ps.torch-bin ps.torchvision-bin ps.jupyterlab-nvdashboard ] else [ ps.torch ps.torchvision ],
  tools ? [
    bashInteractive
    coreutils
    curl
    findutils
    gawk
    git
    gnugrep
    gnumake
    gnused
    gnutar
    gzip
    less
    nano
    openssh
    procps
    stdenv.cc # torch.compile, and packages without a wheel
    unzip
    which
    zip
  ],
  # For PDF files and plots: Latin and symbols, Chinese, Japanese and Korean, emoji.
  fonts ? [
    dejavu_fonts
    noto-fonts-color-emoji
    wqy_microhei
  ],
  # What wheels from PyPI link to (PEP 513) and find nowhere else: the loader looks at no /usr/lib.
  wheelLibraries ? [
    stdenv.cc.cc.lib
    zlib
  ],
}:
let
  version = import ../nix/version.nix { inherit lib; };

  # At every start of Python: what a student has installed comes first, and pip may remove it again.
  arrangePackages = writeText "classroom-packages.pth" ''
    import classroom.student.packages; classroom.student.packages.arrange()
  '';

  # What of the project runs in a student's container: the hub's side is not there to be read or attacked.
  student = python.pkgs.toPythonModule (
    runCommand "classroom-student-${version}"
      {
        src = lib.fileset.toSource {
          root = ../python/src;
          fileset = lib.fileset.unions [
            ../python/src/classroom/__init__.py
            (lib.fileset.fileFilter (file: !file.hasExt "pyc") ../python/src/classroom/student)
          ];
        };
      }
      ''
        site=$out/${python.sitePackages}
        mkdir -p $site
        cp -r --no-preserve=mode $src/classroom $site/
        info=$site/classroom-${version}.dist-info
        mkdir $info
        printf 'Metadata-Version: 2.1\nName: classroom\nVersion: ${version}\n' > $info/METADATA
        cp ${arrangePackages} $site/classroom-packages.pth
        ${python.pythonOnBuildForHost.interpreter} -m compileall -q --invalidation-mode unchecked-hash -s $out -p $out $site
      ''
  );

  server = ps: [
    ps.ipykernel
    ps.jupyter-server
    ps.jupyterhub
    ps.jupyterlab
    student
  ];

  # A user site: `%pip install --user` works for kernels; the server runs with -I and does not see it.
  environment = python.buildEnv.override {
    extraLibs = lib.concatMap (list: list python.pkgs) [
      server
      packages
      torch
      extraPythonPackages
    ];
    permitUserSite = true;
    # One name for people and scripts, whatever the store calls it.
    makeWrapperArgs = [
      "--set NIX_PYTHONEXECUTABLE /opt/classroom/bin/python"
      "--set NIX_PYTHONPREFIX /opt/classroom"
    ];
    ignoreCollisions = true; # LICENSE and tests at the top of site-packages
    # Its own script would not look at the home (PYTHONNOUSERSITE): in a terminal it does what `%pip` does.
    postBuild = ''
      for pip in $out/bin/pip*; do
        [ -e "$pip" ] || continue
        rm "$pip"
        printf '#!/bin/sh\nexec /opt/classroom/bin/python -m pip "$@"\n' > "$pip"
        chmod +x "$pip"
      done
    '';
  };

  # What a new home begins with.
  home = lib.fileset.toSource {
    root = ../python/src/classroom/student/files;
    fileset = lib.fileset.fileFilter (
      file: lib.any file.hasExt [ "ipynb" "md" "py" ]
    ) ../python/src/classroom/student/files;
  };

  contents = tools ++ [
    dockerTools.binSh
    dockerTools.usrBinEnv
    dockerTools.caCertificates
    (dockerTools.fakeNss.override {
      extraPasswdLines = [ "jovyan:x:1000:100:Student:/home/jovyan:/bin/bash" ];
      extraGroupLines = [ "users:x:100:" ];
    })
  ];

  image = dockerTools.streamLayeredImage {
    inherit contents name;

    extraCommands = ''
      mkdir -p -m 1777 tmp
      mkdir -p opt home/jovyan
      ln -s ${environment} opt/classroom
      cp -r --no-preserve=mode ${home}/. home/jovyan/
    ''
    # Where Matplotlib looks, which does not read fontconfig's files.
    + lib.optionalString (fonts != [ ]) ''
      mkdir -p usr/share/fonts
      find ${toString fonts} -name '*.tt[cf]' -exec ln -s {} usr/share/fonts/ ';'
    '';
    # Docker copies the home of the image, owner included, into a new volume.
    fakeRootCommands = ''
      chown -R 1000:100 home/jovyan
      chmod 1777 tmp
    '';

    config = {
      User = "1000:100";
      WorkingDir = "/home/jovyan";
      Cmd = [ "/opt/classroom/bin/python" "-I" "-m" "classroom.student" ];
      Env = [
        "PATH=/opt/classroom/bin:/bin:/usr/bin"
        "HOME=/home/jovyan"
        "SHELL=/bin/bash"
        "LANG=C.UTF-8"
        "LOCALE_ARCHIVE=${glibcLocales}/lib/locale/locale-archive"
        "TZDIR=${tzdata}/share/zoneinfo"
        "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
        # libcuda is put in by CDI: on NixOS at the first place, on other distributions at one of the others.
        "LD_LIBRARY_PATH=${
          lib.concatStringsSep ":" (
            map (library: "${lib.getLib library}/lib") wheelLibraries
            ++ lib.optionals cuda [
              "/run/opengl-driver/lib"
              "/usr/lib/x86_64-linux-gnu"
              "/usr/lib64"
              "/usr/local/nvidia/lib64"
            ]
          )
        }"
      ]
      ++ lib.optional (fonts != [ ]) "FONTCONFIG_FILE=${makeFontsConf { fontDirectories = fonts; }}";
      Labels = {
        "org.classroom.keep" = "student"; # what `docker system prune` is told to leave
        "org.classroom.version" = version;
      };
    };

    passthru = { inherit environment cuda; };
  };
in
callPackage ./layers.nix { } {
  inherit image;
  # All but the environment, which is links, and what this project and the course put into it.
  shared =
    contents
    ++ wheelLibraries
    ++ [
      cacert
      glibcLocales
      python
      tzdata
    ]
    ++ lib.remove student (server python.pkgs)
    ++ packages python.pkgs
    ++ torch python.pkgs;
}
