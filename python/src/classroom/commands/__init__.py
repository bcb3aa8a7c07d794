"""The commands of `classroom` by what they are about, one file each. `classroom.cli` puts them together."""
