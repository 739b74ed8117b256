#!/bin/sh
# The pod network of one node: a bridge for its own pod range, and routes to the other nodes' ranges.
nodes='{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
conflist=/etc/cni/net.d/10-podnet.conflist

write_conflist() { # range: under its final name only when whole, since containerd reads it as soon as it is there
  cat > "$conflist.half" <<EOF
{"cniVersion": "0.4.0", "name": "podnet", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$1"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
  mv "$conflist.half" "$conflist"
}

while :; do
  pause=1
  if list=$(kubectl get nodes -o jsonpath="$nodes"); then
    echo "$list" | while read -r name range address; do
      [ -n "$range" ] || continue
      if [ "$name" != "$NODE" ]; then
        [ -z "$address" ] || ip route replace "$range" via "$address"
      elif ! grep -qs "\"$range\"" "$conflist"; then
        write_conflist "$range"
      fi
    done
    [ ! -f "$conflist" ] || pause=5
  fi
  sleep $pause
done
