//! What of a JSON object is read, by kind: of a pod as the API server prints it a twentieth.

use super::kinds::{Kind, Known, known};
use super::tree::Shape::{self, Each, Keys, Skip, Whole};

static OWNER: Shape = Keys(&[("kind", Whole), ("name", Whole), ("controller", Whole)]);
static METADATA: Shape = Keys(&[
    ("name", Whole),
    ("namespace", Whole),
    ("labels", Whole),
    ("deletionTimestamp", Whole),
    ("ownerReferences", Each(&OWNER)),
]);
static POLICY_METADATA: Shape = Keys(&[
    ("name", Whole),
    ("namespace", Whole),
    ("labels", Whole),
    ("annotations", Whole),
    ("ownerReferences", Each(&OWNER)),
]);
static CONTAINER: Shape = Keys(&[("ports", Whole), ("restartPolicy", Whole)]);
const POD_SPEC: Shape = Keys(&[
    ("nodeName", Whole),
    ("hostNetwork", Whole),
    ("serviceAccountName", Whole),
    ("serviceAccount", Whole),
    ("containers", Each(&CONTAINER)),
    ("initContainers", Each(&CONTAINER)),
]);
static POD_SPEC_OF_POD: Shape = POD_SPEC;
static ADDRESS: Shape = Keys(&[("ip", Whole)]);
static POD_STATUS: Shape = Keys(&[
    ("phase", Whole),
    ("podIP", Whole),
    ("podIPs", Each(&ADDRESS)),
    ("hostIP", Whole),
    ("hostIPs", Each(&ADDRESS)),
]);
const TEMPLATE: Shape = Keys(&[("metadata", Keys(&[("labels", Whole)])), ("spec", POD_SPEC)]);
static WORKLOAD_SPEC: Shape = Keys(&[
    ("replicas", Whole),
    ("parallelism", Whole),
    ("template", TEMPLATE),
    ("jobTemplate", Keys(&[("spec", Keys(&[("template", TEMPLATE)]))])),
]);
static NODE_SPEC: Shape = Keys(&[("podCIDR", Whole), ("podCIDRs", Whole)]);
static NODE_STATUS: Shape = Keys(&[("addresses", Whole)]);

/// What to read of the value of `key` in an object of these words.
pub(super) fn shape_of(api_version: &str, kind: &str, key: &str) -> &'static Shape {
    match known(api_version, kind) {
        Known::Kind(kind) => of_kind(kind, key),
        Known::List => &Whole,
        Known::Other | Known::Dialect | Known::Outdated(_) | Known::Misspelt(_) => match key {
            "metadata" => &METADATA,
            _ => &Skip,
        },
    }
}

fn of_kind(kind: Kind, key: &str) -> &'static Shape {
    match (kind, key) {
        (kind, "metadata") if kind.is_policy() => &POLICY_METADATA,
        (Kind::Namespace, "metadata") => &POLICY_METADATA,
        (_, "metadata") => &METADATA,
        (Kind::Pod, "spec") => &POD_SPEC_OF_POD,
        (Kind::Pod, "status") => &POD_STATUS,
        (Kind::Node, "spec") => &NODE_SPEC,
        (Kind::Node, "status") => &NODE_STATUS,
        (Kind::Namespace, _) => &Skip,
        (Kind::Service, "spec") => &Whole,
        (kind, "spec") if kind.is_policy() => &Whole,
        (_, "spec") => &WORKLOAD_SPEC,
        (_, _) => &Skip,
    }
}
