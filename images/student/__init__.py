"""The program that builds the students' image without Nix. It uses only the standard library."""
