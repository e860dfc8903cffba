//! JUnit's XML, as continuous integration reads it: a suite for each test, a case for each assertion.

use anyhow::Result;
use quick_xml::Writer;
use quick_xml::events::BytesText;
use std::io;

use super::Report;
use super::judge::{Assertion, Found, Judged, Outlook};
use super::text::because;

type Xml = Writer<Vec<u8>>;

pub(super) fn render(outlook: &Outlook<'_>, reports: &[Report<'_>]) -> Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    let all: Vec<&Assertion<'_>> =
        reports.iter().flat_map(|report| &report.tests).flat_map(|test| &test.assertions).collect();
    let counts = counts(&all);
    xml.create_element("testsuites")
        .with_attributes([("name", "portcullis")])
        .with_attributes(counts.iter().map(|(name, count)| (*name, count.as_str())))
        .write_inner_content(|xml| {
            for report in reports {
                report.tests.iter().try_for_each(|test| suite(outlook, &report.file, test, xml))?;
            }
            Ok(())
        })?;
    let body = String::from_utf8(xml.into_inner())?;
    Ok(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n"))
}

fn counts(assertions: &[&Assertion<'_>]) -> [(&'static str, String); 3] {
    let unanswered = assertions.iter().filter(|one| one.is_unanswered()).count();
    let failed = assertions.iter().filter(|one| !one.holds()).count() - unanswered;
    [
        ("tests", assertions.len().to_string()),
        ("failures", failed.to_string()),
        ("errors", unanswered.to_string()),
    ]
}

fn suite(outlook: &Outlook<'_>, file: &str, test: &Judged<'_>, xml: &mut Xml) -> io::Result<()> {
    let counts = counts(&test.assertions.iter().collect::<Vec<_>>());
    xml.create_element("testsuite")
        .with_attributes([("name", test.test.name.as_str()), ("file", file)])
        .with_attributes(counts.iter().map(|(name, count)| (*name, count.as_str())))
        .write_inner_content(|xml| {
            test.assertions.iter().try_for_each(|one| case(outlook, file, test, one, xml))
        })?;
    Ok(())
}

fn case(
    outlook: &Outlook<'_>,
    file: &str,
    test: &Judged<'_>,
    assertion: &Assertion<'_>,
    xml: &mut Xml,
) -> io::Result<()> {
    let (name, line) = (assertion.words(), assertion.written.origin.line.to_string());
    let element = xml.create_element("testcase").with_attributes([
        ("classname", test.test.name.as_str()),
        ("name", name.as_str()),
        ("file", file),
        ("line", line.as_str()),
    ]);
    let kind = match assertion.outcome {
        Found::Held => {
            element.write_empty()?;
            return Ok(());
        }
        Found::Failed(_) => "failure",
        Found::Unanswered(_) => "error",
    };
    let because = because(outlook, assertion);
    let blamed: Vec<String> = assertion.blamed(outlook).iter().map(ToString::to_string).collect();
    let message = match (blamed.is_empty(), because.lines().next().unwrap_or_default()) {
        (true, first) => first.to_owned(),
        (false, first) => format!("{first}; see {}", blamed.join(", ")),
    };
    element.write_inner_content(|xml| {
        let inner = xml.create_element(kind).with_attributes([("message", message.as_str())]);
        inner.write_text_content(BytesText::new(&because))?;
        Ok(())
    })?;
    Ok(())
}
