#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Installs the plugin, the command with its manual and completions, ONNX Runtime and the model for this user, where GStreamer and the plugin search by default; or
# removes them again.
#
# Usage: install.sh install PLUGIN COMMAND RUNTIME MODEL
# Usage: install.sh uninstall

set -eu
data=${XDG_DATA_HOME:-$HOME/.local/share}
plugins=$data/gstreamer-1.0/plugins
commands=$HOME/.local/bin

case ${1:-} in
install)
    mkdir -p "$plugins" "$commands" "$data/blurdm/models"
    # Copied under another name first: a process may be running the old one.
    cp "$2" "$plugins/.libgstblurdm.so.new"
    mv "$plugins/.libgstblurdm.so.new" "$plugins/libgstblurdm.so"
    cp "$3" "$commands/.blurdm.new"
    mv "$commands/.blurdm.new" "$commands/blurdm"
    rm -rf "$data/blurdm/runtime" "$data/blurdm/models/blurdm-nano"
    cp -r "$4" "$data/blurdm/runtime"
    mkdir -p "$data/bash-completion/completions" "$data/zsh/site-functions" "$data/fish/vendor_completions.d"
    "$commands/blurdm" completions bash >"$data/bash-completion/completions/blurdm"
    "$commands/blurdm" completions zsh >"$data/zsh/site-functions/_blurdm"
    "$commands/blurdm" completions fish >"$data/fish/vendor_completions.d/blurdm.fish"
    "$commands/blurdm" man --into "$data/man/man1"
    cp -r "$5" "$data/blurdm/models/blurdm-nano"
    echo "Installed into $plugins, $commands and $data/blurdm; try: gst-inspect-1.0 blurdm, and $commands/blurdm doctor"
    ;;
uninstall)
    rm -f "$plugins/libgstblurdm.so" "$commands/blurdm" "$data/bash-completion/completions/blurdm" \
        "$data/zsh/site-functions/_blurdm" "$data/fish/vendor_completions.d/blurdm.fish" \
        "$data/man/man1/blurdm.1" "$data"/man/man1/blurdm-*.1
    rm -rf "$data/blurdm/runtime" "$data/blurdm/models/blurdm-nano"
    rmdir "$data/blurdm/models" "$data/blurdm" 2>/dev/null || true
    echo "Removed from $plugins, $commands and $data/blurdm"
    ;;
*)
    echo "install.sh: usage: install.sh install PLUGIN COMMAND RUNTIME MODEL | install.sh uninstall" >&2
    exit 2
    ;;
esac
