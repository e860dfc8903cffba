//! Annotations of GitHub Actions: a workflow command a line.

use policy::manifest::Severity;

use super::{Report, level};

pub(super) fn render(report: &Report) -> String {
    let diagnostics = report.diagnostics.iter().map(|one| {
        let command = match one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = one.place.as_ref().map(|place| (place.file.as_ref(), place.line, Some(place.column)));
        let text = [Some(one.title.as_str()), one.help.as_deref()].into_iter().flatten();
        annotation(command, place, one.code, &text.collect::<Vec<_>>().join("\n"))
    });
    let findings = report.findings.iter().map(|one| {
        let command = match level(one.code) {
            "note" => "notice",
            other => other,
        };
        let place = one.origin.as_ref().map(|origin| (origin.file.as_ref(), origin.line, None));
        annotation(command, place, one.code, &super::format::message(one))
    });
    diagnostics.chain(findings).collect()
}

fn annotation(command: &str, place: Option<(&str, u32, Option<u32>)>, code: &str, text: &str) -> String {
    let mut properties: Vec<String> = Vec::new();
    if let Some((file, line, column)) = place {
        properties.push(format!("file={}", property(file)));
        if line > 0 {
            properties.push(format!("line={line}"));
        }
        properties.extend(column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={}", property(code)));
    format!("::{command} {}::{}\n", properties.join(","), data(text))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_property_or_a_line_is_escaped() {
        let line = annotation("warning", Some(("a,b:c%.yaml", 3, None)), "PC501", "50% of\r\nit: all, none");
        assert_eq!(
            line,
            "::warning file=a%2Cb%3Ac%25.yaml,line=3,title=PC501::50%25 of%0D%0Ait: all, none\n"
        );
        assert_eq!(annotation("error", None, "PC001", "x"), "::error title=PC001::x\n");
    }
}
