//! What would let it pass, for people and for programs.

use policy::analyse::can::Group;
use policy::analyse::fix::{Document, Edit, Fix, Flows, What, document, field};
use policy::analyse::names::Asked;
use policy::index::Index;
use policy::model::{Cluster, Family, Origin, PolicyKind, Rule};
use serde::Serialize;

use super::{json, text, words};

/// Of what an edit does besides only so much is shown.
const MOST_FLOWS: usize = 20;

#[derive(Serialize)]
pub(super) struct Proposal {
    is_exact: bool,
    edits: Vec<Proposed>,
    also_opens: Vec<Changed>,
    closes: Vec<Changed>,
    still_denied: Vec<json::Flows>,
}

#[derive(Serialize)]
struct Proposed {
    policy: String,
    how: &'static str,
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    apply: Document,
}

#[derive(Serialize)]
struct Changed {
    family: u8,
    sources: Vec<String>,
    destinations: Vec<String>,
    ports: Vec<json::Ports>,
}

/// What is proposed, for programs; nothing where nothing is needed.
pub(super) fn proposal(index: &Index, fix: Option<&Fix>) -> Option<Proposal> {
    let fix = fix?;
    let changed = |flows: &Flows| Changed {
        family: match flows.family {
            Family::V4 => 4,
            Family::V6 => 6,
        },
        sources: words::names(&fix.cluster, &flows.sources),
        destinations: words::names(&fix.cluster, &flows.destinations),
        ports: ports(flows).iter().flat_map(json::ports).collect(),
    };
    Some(Proposal {
        is_exact: fix.is_exact(),
        edits: proposed(index, fix),
        also_opens: fix.opened.iter().map(changed).collect(),
        closes: fix.closed.iter().map(changed).collect(),
        still_denied: fix.left.iter().map(|part| json::flows(&fix.cluster, &fix.index, part)).collect(),
    })
}

/// Edits are made one after another: each is said as the policy is then.
fn proposed(index: &Index, fix: &Fix) -> Vec<Proposed> {
    let mut now: Vec<policy::model::Policy> = Vec::new();
    let one = |edit: &Edit| {
        let earlier = now.iter().rev().find(|policy| policy.id == edit.policy);
        let before = earlier.or_else(|| index.policy(&edit.policy)).cloned();
        let apply = document(edit, before.as_ref());
        let origin = before.as_ref().map(|policy| written(edit, policy));
        now.extend(edit.applied(before.as_ref()));
        Proposed {
            policy: edit.policy.to_string(),
            how: match edit.what {
                What::New(_) => "manifest",
                What::Rule(..) | What::Peers(..) | What::Ports(..) => "patch",
            },
            field: field(edit),
            file: origin.as_ref().map(|origin| origin.file.to_string()),
            line: origin.map(|origin| origin.line),
            apply,
        }
    };
    fix.edits.iter().map(one).collect()
}

/// Where a file is to be edited.
fn written(edit: &Edit, policy: &policy::model::Policy) -> Origin {
    let rule = |at: usize| {
        policy.rules(edit.direction).and_then(|rules| rules.get(at)).map(|rule: &Rule| &rule.origin)
    };
    let place = match edit.what {
        What::New(_) => None,
        What::Rule(at, _) | What::Peers(at, _) | What::Ports(at, _) => rule(at),
    };
    place.unwrap_or(&policy.origin).clone()
}

fn ports(flows: &Flows) -> Vec<Asked> {
    Asked::all_of(&flows.ports)
}

/// The same for people.
pub(super) fn render(index: &Index, fix: Option<&Fix>) -> String {
    let Some(fix) = fix else { return "\nfix: nothing is needed\n".to_owned() };
    let opens = match (fix.left.is_empty(), fix.opened.is_empty()) {
        (true, true) => "opens it, and nothing else",
        (true, false) => "opens it, and more",
        (false, true) => "opens a part of it, and nothing else",
        (false, false) => "opens a part of it, and more",
    };
    let these = if fix.edits.len() == 1 { "this".to_owned() } else { format!("these {}", fix.edits.len()) };
    let opens = if fix.edits.len() == 1 { opens.to_owned() } else { opens.replacen("opens", "open", 1) };
    let mut text = format!("\nfix: {these} {opens}\n");
    text += &changed(&fix.cluster, "also opens", &fix.opened);
    text += &changed(&fix.cluster, "closes", &fix.closed);
    for (edit, one) in fix.edits.iter().zip(proposed(index, fix)) {
        text += &format!("---\n{}\n{}\n", heading(edit, &one), one.apply);
    }
    text
}

fn heading(edit: &Edit, proposed: &Proposed) -> String {
    let Proposed { policy, field, file: Some(file), line: Some(line), .. } = proposed else {
        return format!("# a new {}", edit.policy.kind);
    };
    let place = Origin { file: file.as_str().into(), line: *line };
    let where_to = match &edit.what {
        What::New(_) => String::new(),
        What::Rule(at, _) if edit.policy.kind != PolicyKind::NetworkPolicy => {
            format!("insert into `{field}` of {policy}, before rule {} ({place})", at + 1)
        }
        What::Rule(..) | What::Peers(..) | What::Ports(..) => {
            format!("add to `{field}` of {policy} ({place})")
        }
    };
    let namespace = edit.policy.namespace.as_ref().map(|name| format!("-n {name} ")).unwrap_or_default();
    let kind = edit.policy.kind.to_string().to_lowercase();
    let name = &edit.policy.name;
    format!("# {where_to}:\n# kubectl patch {namespace}{kind} {name} --type=json --patch-file FILE")
}

fn changed(cluster: &Cluster, what: &str, all: &[Flows]) -> String {
    let line = |flows: &Flows| {
        let side = |group: &Group| text::some(&words::names(cluster, group));
        let ports: Vec<String> = ports(flows).iter().map(ToString::to_string).collect();
        let family = match flows.family {
            Family::V4 => "",
            Family::V6 => " over IPv6",
        };
        let (from, to) = (side(&flows.sources), side(&flows.destinations));
        format!("     {what} {from} -> {to} : {}{family}\n", text::some(&ports))
    };
    let lines: String = all.iter().take(MOST_FLOWS).map(line).collect();
    match all.len().checked_sub(MOST_FLOWS) {
        None | Some(0) => lines,
        Some(more) => format!("{lines}     and {more} more; --output json has them all\n"),
    }
}
