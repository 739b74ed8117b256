"""The packet filter rules and the bridge that dockerd leaves behind when it stops."""

import re

from hack.cluster.steps import ask

OURS = re.compile(r"(?:^-[AN] |-j )DOCKER\b|\bdocker0\b|\bbr-[0-9a-f]{12}\b")
SUBNET = re.compile(r"^-A POSTROUTING -s 172\.(?:1[6-9]|2\d|3[01])\.0\.0/16 ! -o ")


def forward_policy() -> str:
    """The policy of the FORWARD chain, `ACCEPT` or `DROP`; empty where it cannot be read."""
    first = (ask(["iptables", "-S", "FORWARD"]) or "").split("\n")[0].split()
    return first[2] if first[:2] == ["-P", "FORWARD"] else ""


def deletions(rules: str) -> list[list[str]]:
    """The iptables arguments that remove Docker's rules and chains, given `iptables -S`; rules of others stay."""
    ours = [line for line in rules.splitlines() if OURS.search(line) or SUBNET.search(line)]
    delete = [["-D", *line.split()[1:]] for line in ours if line.startswith("-A ")]
    chains = [line.split()[1] for line in ours if line.startswith("-N ")]
    return delete + [["-F", chain] for chain in chains] + [["-X", chain] for chain in chains]


def remove_docker(policy: str) -> None:
    """Remove what dockerd left in both families, and its bridge; set FORWARD's policy back if one is given."""
    for program in ("iptables", "ip6tables"):
        for table in ("filter", "nat"):
            for arguments in deletions(ask([program, "-t", table, "-S"]) or ""):
                ask([program, "-t", table, *arguments])
    if policy in ("ACCEPT", "DROP"):
        ask(["iptables", "-P", "FORWARD", policy])
    if ask(["ip", "link", "show", "docker0"]) is not None:
        ask(["ip", "link", "delete", "docker0"])
