# A root directory with another release of Debian, made without touching the machine's own: for tests/cross and tests/clients,
# which source this, name themselves with `fail` and `say`, and enter it with chroot.

# The mirror that apt uses here, in either of its two notations; or the first argument.
debian_mirror() {
  local mirror=${1:-$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    sed -nE 's/^URIs: *(\S*\/debian)\/?( .*)?$/\1/p; s/^deb +(\[[^]]*\] +)?(\S*\/debian)\/? .*/\2/p' | head -n 1)}
  [ -n "$mirror" ] || fail "apt here uses no Debian mirror: name one in $2"
  echo "$mirror"
}

# debian_root SUITE ROOT MIRROR PACKAGES: takes the place of what is at ROOT once it is whole. PACKAGES are joined by commas.
debian_root() {
  if ! command -v mmdebstrap >/dev/null; then
    command -v apt-get >/dev/null || fail "mmdebstrap is missing, and without apt-get (Debian) it can't be installed"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap >/dev/null ||
      fail "mmdebstrap is missing and could not be installed"
  fi
  say "making a chroot of Debian $1 in $2"
  rm -rf --one-file-system "$2" "$2.new"
  # Testing's lists are signed for one week, and a mirror may be further behind.
  mmdebstrap --quiet --variant=apt --mode=root ${4:+--include="$4"} --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Check-Valid-Until "false"' "$1" "$2.new" "$3" || fail "the chroot could not be made"
  mv "$2.new" "$2"
}
