# Sockets of Docker and of the containerd below it: a process that reaches one of them is root on the machine.
[
  "/run/docker.sock"
  "/run/docker"
  "/run/containerd"
]
