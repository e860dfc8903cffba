//! SARIF 2.1.0, the format of code scanning: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>.

use anyhow::Result;
use policy::model::Origin;
use serde_json::{Value, json};

/// What can be found.
pub(crate) struct Rule {
    /// Stable and short.
    pub(crate) id: &'static str,
    /// In one CamelCase word.
    pub(crate) name: &'static str,
    /// In a sentence.
    pub(crate) summary: &'static str,
    /// What it is about, and what to do.
    pub(crate) help: &'static str,
}

/// What was found.
pub(crate) struct Finding {
    /// The id of its rule.
    pub(crate) rule: String,
    pub(crate) level: Level,
    pub(crate) message: String,
    /// Where; `None` where it is no single place's fault.
    pub(crate) place: Option<Origin>,
    /// Where else to look.
    pub(crate) related: Vec<Origin>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Note,
}

/// One run with all that was found.
pub(crate) fn render(rules: &[Rule], findings: Vec<Finding>) -> Result<String> {
    let rule = |rule: &Rule| {
        json!({
            "id": rule.id,
            "name": rule.name,
            "shortDescription": { "text": rule.summary },
            "help": { "text": rule.help },
        })
    };
    let place = |rule: &str| rules.iter().position(|known| known.id == rule);
    let result = |finding: &Finding| {
        json!({
            "ruleId": finding.rule,
            "ruleIndex": place(&finding.rule).map_or(-1, |at| i64::try_from(at).unwrap_or(-1)),
            "level": match finding.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Note => "note",
            },
            "message": { "text": finding.message },
            "locations": finding.place.iter().map(location).collect::<Vec<_>>(),
            "relatedLocations": finding.related.iter().map(location).collect::<Vec<_>>(),
        })
    };
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            }},
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn location(origin: &Origin) -> Value {
    // Lines are counted from 1; 0 is a line that nobody knows.
    let region = (origin.line > 0).then(|| json!({ "startLine": origin.line }));
    let mut place = json!({ "artifactLocation": { "uri": uri(&origin.file) } });
    if let (Some(region), Some(place)) = (region, place.as_object_mut()) {
        place.insert("region".to_owned(), region);
    }
    json!({ "physicalLocation": place })
}

/// A path as a relative reference: slashes stay, what a URI can't have is escaped.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri("./a b/c#1.yaml"), "a%20b/c%231.yaml");
        assert_eq!(uri("/tmp/ä.yaml"), "/tmp/%C3%A4.yaml");
    }
}
