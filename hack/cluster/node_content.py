"""Which images a node has, read from containerd's own list."""


def holds(listing: str, image: str, identity: str) -> bool:
    """Whether a node has an image under its name, given `ctr images list` and the engine's id of the image.

    containerd keeps an image under its name and again under its configuration's digest, which is the engine's id; both
    rows name the same manifest. A rebuilt and reloaded image leaves its old digest's row behind, so having both rows is
    not enough: they must agree.
    """
    rows = (line.split() for line in listing.splitlines())
    targets = {row[0]: row[2] for row in rows if len(row) > 2}
    return identity in targets and targets.get(full_name(image)) == targets[identity]


def full_name(image: str) -> str:
    """An image's name as containerd keeps it: `redis` is docker.io/library/redis:latest."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image}"
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
