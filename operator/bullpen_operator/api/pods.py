"""The parts of a WorkerPool that Kubernetes' own types describe: resources, env, a Secret's key, the pod
template.

They are passed on as they are, so Python holds them as plain dicts. Their schemas declare what the rules
look at and what a typo should be found in; the rest of a pod is left open and checked by the API server when
the Deployment is applied.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import WithJsonSchema

from bullpen_operator.api.rules import Rule, with_rules

POOL_LABEL: Final = "bullpen.dev/pool"
"""On the Deployment and on its pods: the name of their pool. The Deployment selects by it."""

DRAIN_ANNOTATION: Final = "bullpen.dev/drain"
"""On a worker pod, "true" by whoever wants it to take no more jobs: its worker is marked in Redis as long as it stands
there (`kubectl bullpen drain`).
"""

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
"""On pods that are to be ended first (KEP-2255)."""

WORKER_CONTAINER: Final = "worker"

RESERVED_ENV: Final = (
    "MODE",
    "REDIS_URL",
    "REDIS_URL_FILE",
    "REDIS_CLUSTER",
    "REDIS_TLS_CA_FILE",
    "REDIS_TLS_CERT_FILE",
    "REDIS_TLS_KEY_FILE",
    "QUEUE_NAME",
    "QUEUE_PREFIX",
    "QUEUE_CONCURRENCY",
    "BULLPEN_APP",
    "POD_NAME",
    "POD_UID",
    "DRAIN_SECONDS",
    "METRICS_PORT",
)
"""Variables the operator sets from the spec (docs/worker.md): a second source for them would contradict it."""

# apimachinery's pkg/api/resource/quantity.go describes the grammar: sign, decimal number, suffix or exponent.
_QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
_RESERVED_IN_CEL = "[" + ", ".join(f"'{name}'" for name in RESERVED_ENV) + "]"
_OPEN: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _quantities(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "maxProperties": 32,
        "additionalProperties": {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
        },
    }


def _text(description: str, longest: int) -> dict[str, Any]:
    return {"type": "string", "description": description, "maxLength": longest}


_ENV_VAR: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": _text("Name of the variable.", 253),
        "value": _text("Its value; $(OTHER) is replaced by the variable OTHER.", 32768),
        "valueFrom": {**_OPEN, "description": "Where the value comes from instead, as in a pod."},
    },
}

_RESERVED_RULE = Rule(
    f"self.all(variable, !(variable.name in {_RESERVED_IN_CEL}))",
    "env may not set what the operator sets from the spec ("
    + ", ".join(RESERVED_ENV)
    + "): remove the variable and use queue, prefix, concurrency, app, redis or drain.",
)


def _env(description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "description": description,
        "maxItems": 200,
        "items": _ENV_VAR,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }


_CONTAINER: dict[str, Any] = with_rules(
    {
        **_OPEN,
        "required": ["name"],
        "properties": {
            "name": _text('Name of the container; "worker" is the operator\'s own, any other is a sidecar.', 63),
            "image": _text("Image of a sidecar.", 1024),
            "resources": {**_OPEN, "description": "Resources of a sidecar."},
            "env": _env("Environment of the container."),
        },
    },
    Rule(
        f"self.name != '{WORKER_CONTAINER}' || !has(self.image)",
        "template may not set the image of the container worker: set spec.image instead.",
    ),
    Rule(
        f"self.name != '{WORKER_CONTAINER}' || !has(self.resources)",
        "template may not set the resources of the container worker: set spec.resources instead.",
    ),
    Rule(
        f"self.name != '{WORKER_CONTAINER}' || !has(self.env) || "
        f"{_RESERVED_RULE.expression.replace('self.', 'self.env.', 1)}",
        "template: " + _RESERVED_RULE.message,
    ),
)

_TEMPLATE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "metadata": {
            "type": "object",
            "description": "Labels and annotations of the pods.",
            "properties": {
                "labels": with_rules(
                    {
                        "type": "object",
                        "description": "Labels added to the pods.",
                        "maxProperties": 64,
                        "additionalProperties": {"type": "string", "maxLength": 63},
                    },
                    Rule(
                        f"!('{POOL_LABEL}' in self)",
                        f"template may not set the label {POOL_LABEL}, by which the Deployment "
                        f"finds its pods: remove it.",
                    ),
                ),
                "annotations": with_rules(
                    {
                        "type": "object",
                        "description": "Annotations added to the pods.",
                        "additionalProperties": {"type": "string"},
                    },
                    Rule(
                        f"!('{DELETION_COST}' in self)",
                        f"template may not set the annotation {DELETION_COST}, by which the operator names the pods "
                        f"to end first: remove it.",
                    ),
                ),
            },
        },
        "spec": with_rules(
            {
                **_OPEN,
                "description": (
                    "A pod's spec, merged under what the operator sets; containers, env, "
                    "volumes and mounts merge by name."
                ),
                "properties": {
                    "terminationGracePeriodSeconds": {
                        "type": "integer",
                        "format": "int64",
                        "description": "Set by the operator to drain.seconds + 15.",
                    },
                    "containers": {
                        "type": "array",
                        "description": (
                            'Containers; "worker" is merged with the operator\'s own, the others run beside it.'
                        ),
                        "maxItems": 16,
                        "items": _CONTAINER,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                    },
                },
            },
            Rule(
                "!has(self.terminationGracePeriodSeconds)",
                "template may not set terminationGracePeriodSeconds, which follows from "
                "drain.seconds: set spec.drain.seconds instead.",
            ),
        ),
    },
}

Resources = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "requests": _quantities("What the scheduler reserves for each pod, such as cpu: 500m, memory: 256Mi."),
                "limits": _quantities("What each pod may use at most."),
            },
        }
    ),
]
Environment = Annotated[
    list[dict[str, Any]],
    WithJsonSchema(_env("Environment variables of the worker.")),
    _RESERVED_RULE,
]
PodTemplate = Annotated[dict[str, Any], WithJsonSchema(_TEMPLATE)]
