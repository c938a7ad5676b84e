# For logins of the box's user: "tmux attach" finds the session that the portal shows.
if [ -d /run/stackmemory-session ] && [ -O /run/stackmemory-session ]; then
  export TMUX_TMPDIR=/run/stackmemory-session
fi
