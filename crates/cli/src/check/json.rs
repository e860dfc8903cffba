//! For programs.

use anyhow::Result;
use policy::analyse::check::Finding;
use policy::analyse::check::codes::page;
use policy::manifest::{Diagnostic, Severity};
use policy::model::{About, Origin};
use serde_json::{Value, json};

use super::{Report, level};

pub(super) fn render(report: &Report) -> Result<String> {
    let document = json!({
        "diagnostics": report.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "suppressed": report.suppressed.iter().map(|one| {
            let mut value = finding(&one.finding);
            if let Some(fields) = value.as_object_mut() {
                fields.insert("reason".to_owned(), one.reason.as_str().into());
            }
            value
        }).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn diagnostic(one: &Diagnostic) -> Value {
    json!({
        "code": one.code,
        "severity": match one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "title": one.title,
        "place": one.place.as_ref().map(|at| json!({ "file": at.file, "line": at.line, "column": at.column })),
        "help": one.help,
    })
}

fn finding(one: &Finding) -> Value {
    let object = match &one.about {
        About::Policy(id) => {
            json!({ "kind": id.kind.to_string(), "namespace": id.namespace, "name": id.name })
        }
        About::Namespace(name) => json!({ "kind": "Namespace", "namespace": null, "name": name }),
    };
    json!({
        "code": one.code,
        "name": page(one.code).map(|page| page.name),
        "severity": level(one.code),
        "object": object,
        "place": one.origin.as_ref().map(place),
        "title": one.title,
        "because": one.because,
        "fix": one.fix,
        "related": one.related.iter().map(|(what, origin)| json!({ "what": what, "place": place(origin) }))
            .collect::<Vec<_>>(),
    })
}

fn place(origin: &Origin) -> Value {
    json!({ "file": origin.file, "line": origin.line })
}
