"""What people write of a pool's Redis: its URL, the Secret that holds it, and TLS."""

from typing import Annotated

from pydantic import Field

from bullpen_operator.api.model import Model
from bullpen_operator.api.rules import Extension, Rule


class SecretKey(Model):
    """One key of a Secret in the pool's namespace."""

    name: Annotated[str, Extension("maxLength", 253)] = Field(description="Name of the Secret.")
    key: Annotated[str, Extension("maxLength", 253)] = Field(description="Key in its data.")


class UrlSource(Model):
    """Where the Redis URL is kept."""

    secret_key_ref: SecretKey = Field(description="The key of a Secret that holds the whole URL, password included.")


class PemSource(Model):
    """Where a certificate or key is kept."""

    secret_key_ref: SecretKey = Field(description="The key of a Secret that holds it in PEM form.")


class Tls(Model):
    """Whom to trust, and who the workers and the operator are."""

    ca_from: PemSource | None = Field(
        default=None,
        description="The certificate of the authority that signed the server's. The machine's own authorities are "
        "trusted besides.",
    )
    cert_from: PemSource | None = Field(
        default=None, description="The client certificate, for a Redis that asks for one; with keyFrom."
    )
    key_from: PemSource | None = Field(default=None, description="The key of the client certificate, not encrypted.")


class Redis(Model):
    """Where the queue lives: exactly one of url and urlFrom."""

    url: Annotated[
        str | None,
        Extension("maxLength", 2048),
        Rule(
            r"self.matches('^rediss?(\\+sentinel)?://[^/?#]+')",
            "redis.url must read redis://host:port/database, rediss:// for TLS, or "
            "redis+sentinel://host:port,host:port/master/database: correct the scheme or the host.",
        ),
    ] = Field(
        default=None,
        description="The Redis URL in plain text: redis://host:port/database, rediss:// for TLS, or "
        "redis+sentinel://host:port,host:port/master/database. "
        "Whoever may read the pool can read it: put a URL with a password into a Secret and use urlFrom.",
    )
    url_from: UrlSource | None = Field(
        default=None,
        description="Takes the Redis URL from a Secret in the pool's namespace. The operator must "
        "be allowed to get it "
        "(chart value redis.secretNames), and it is mounted into the pods, so a rotated password "
        "reaches running workers.",
    )
    cluster: bool = Field(
        default=False,
        description="The URL names nodes of a Redis Cluster, the same as ?cluster=true in it. The queue's prefix or "
        "name then needs a hash tag, such as {bull}.",
    )
    tls: Annotated[
        Tls | None,
        Rule(
            "has(self.certFrom) == has(self.keyFrom)",
            "redis.tls has one of certFrom and keyFrom: give both of them, or neither.",
        ),
        Rule(
            "has(self.caFrom) || has(self.certFrom) || has(self.keyFrom)",
            "redis.tls is empty: give caFrom, or certFrom with keyFrom, or leave it out.",
        ),
    ] = Field(
        default=None,
        description="Certificates for a URL with rediss://, each from a Secret in the pool's namespace that the "
        "operator must be allowed to get (chart value redis.secretNames). They are mounted into the pods.",
    )

    @property
    def secrets(self) -> dict[str, SecretKey]:
        """The Secrets' keys it names, by field."""
        sources: dict[str, UrlSource | PemSource | None] = {"urlFrom": self.url_from}
        if self.tls is not None:
            sources["tls.caFrom"] = self.tls.ca_from
            sources["tls.certFrom"], sources["tls.keyFrom"] = self.tls.cert_from, self.tls.key_from
        return {field: source.secret_key_ref for field, source in sources.items() if source is not None}
