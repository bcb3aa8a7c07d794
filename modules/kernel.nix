# Limits of the kernel that all containers share, because all students have the same user. With these values the memory
# and the processes of each container are reached first (classroom.doctor.kernel, which has the same values).
{ config, lib, ... }:
let
  cfg = config.services.classroom;
  # Before the defaults of other modules: a desktop sets lower ones.
  unlimited = lib.mkOverride 900 2147483647;
in
{
  config = lib.mkIf cfg.enable {
    boot.kernel.sysctl = {
      "fs.aio-max-nr" = unlimited;
      "fs.epoll.max_user_watches" = unlimited;
      "fs.inotify.max_user_instances" = unlimited;
      "fs.inotify.max_user_watches" = unlimited;
      "fs.pipe-user-pages-soft" = lib.mkDefault 0;
      # NixOS sets kernel.pid_max, and systemd fs.file-max.
    };
  };
}
