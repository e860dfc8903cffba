//! JSON is what its schema in `docs/` says.

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::command::{portcullis, root};

fn schema(name: &str) -> Validator {
    let text = fs::read_to_string(root().join("docs").join(name)).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// What a command prints, which is not its complaint.
fn printed(arguments: &[&str]) -> Value {
    let run = portcullis(&[arguments, &["--output", "json"]].concat(), "");
    assert!(run.status < 2, "{arguments:?}: {}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

fn holds(schema: &Validator, arguments: &[&str]) -> Value {
    let printed = printed(arguments);
    let errors: Vec<String> =
        schema.iter_errors(&printed).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{arguments:?}: {}", errors.join("\n"));
    printed
}

/// Examples with policies, and a policy that tells the families apart.
fn clusters() -> Vec<Vec<String>> {
    let mut all = vec![vec!["-f".to_owned(), "crates/cli/tests/it/pages/diff/dual-new.yaml".to_owned()]];
    for (example, policies) in [
        ("netpol-demo", "steps"),
        ("tester-notes", "steps/5-payments-only.yaml"),
        ("three-tier", "steps"),
        ("web-app", "steps"),
    ] {
        let file = |name: &str| format!("examples/{example}/{name}");
        all.push(["-f", &file("cluster.yaml"), "-f", &file(policies)].map(str::to_owned).to_vec());
    }
    all
}

#[test]
fn what_is_reached_has_its_schema() {
    let schema = schema("reach.schema.json");
    let mut connections = 0;
    for cluster in clusters() {
        for more in
            [&[][..], &["--family", "4"], &["--family", "6"], &["--family", "both"], &["--port", "80/tcp"]]
        {
            let cluster: Vec<&str> = cluster.iter().map(String::as_str).collect();
            let printed = holds(&schema, &[&["reach"], &cluster[..], more].concat());
            connections += printed["connections"].as_array().unwrap().len();
        }
    }
    assert!(connections > 100, "{connections} connections");
    let broken = ["-f", "examples/three-tier/cluster.yaml", "-f", "examples/broken", "--keep-going"];
    let printed = holds(&schema, &[&["reach"], &broken[..]].concat());
    assert_eq!(printed["unknown"][0]["destinations"], json!(["backend-tier/backend"]));
}

#[test]
fn what_is_exposed_has_its_schema() {
    let schema = schema("exposure.schema.json");
    for cluster in clusters() {
        let cluster: Vec<&str> = cluster.iter().map(String::as_str).collect();
        holds(&schema, &[&["reach", "--exposure"], &cluster[..]].concat());
    }
    let pages = "crates/cli/tests/it/pages";
    let [cluster, policies] =
        ["diff/cluster.yaml", "exposure/policies.yaml"].map(|file| format!("{pages}/{file}"));
    let printed = holds(&schema, &["reach", "--exposure", "-f", &cluster, "-f", &policies]);
    assert_eq!(printed["exposures"][1]["from_nobody_yet"][0]["ports"][0]["from"], 22);
}

#[test]
fn what_changes_has_its_schema() {
    let schema = schema("diff.schema.json");
    for cluster in clusters() {
        let (old, new) = (&cluster[1], cluster.last().unwrap());
        holds(&schema, &["diff", old, new]);
        holds(&schema, &["diff", new, old]);
    }
    let [old, new, shared] =
        ["old.yaml", "new.yaml", "cluster.yaml"].map(|file| format!("crates/cli/tests/it/pages/diff/{file}"));
    let printed = holds(&schema, &["diff", &old, &new, "-f", &shared]);
    assert_eq!(printed["changes"].as_array().unwrap().len(), 6);
    let broken =
        ["diff", "-f", "examples/three-tier/cluster.yaml", "examples/three-tier/steps", "examples/broken"];
    let printed = holds(&schema, &[&broken[..], &["--keep-going"]].concat());
    assert_eq!(printed["unknown"][0]["side"], "NEW");
}

#[test]
fn schemas_say_what_may_not_be() {
    let ports = json!([{"protocol": "TCP", "from": 1, "to": 2}]);
    let change = json!({"from": "a", "to": "b", "sources": ["a"], "destinations": ["b"], "families": [4],
        "change": "added", "risks": ["opened"], "before": [], "after": ports});
    let connection = json!({"source": "a", "destination": "b", "ports": ports});
    let open = json!({"workload": "a", "from_internet": ports, "to_internet": [], "from_cluster": [],
        "from_nobody_yet": [], "unisolated": ["egress"]});
    let reach = |connection: Value| json!({"endpoints": [], "blocks": [], "connections": [connection]});
    for (name, right, wrap) in [
        ("diff.schema.json", change, &(|one| json!({"changes": [one]})) as &dyn Fn(Value) -> Value),
        ("reach.schema.json", connection, &reach),
        ("exposure.schema.json", open, &|one| json!({"exposures": [one]})),
    ] {
        let schema = schema(name);
        assert!(schema.is_valid(&wrap(right.clone())), "{name}");
        let fields = right.as_object().unwrap();
        for field in fields.keys() {
            let mut less = fields.clone();
            less.remove(field);
            assert!(!schema.is_valid(&wrap(less.into())), "{name} without {field}");
            let mut other = fields.clone();
            other[field] = json!({"not": "this"});
            assert!(!schema.is_valid(&wrap(other.into())), "{name} with another {field}");
        }
        let mut more = fields.clone();
        more.insert("more".to_owned(), Value::Null);
        assert!(!schema.is_valid(&wrap(more.into())), "{name} with more");
    }
}
