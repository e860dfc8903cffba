//! Input that was made to hurt: an error, never a panic, and little memory and time.

use policy::manifest::{Listed, Options};

use crate::world::{read_text, read_with};

/// The codes of all diagnostics of a file that the user named.
fn codes(name: &str, bytes: &[u8]) -> Vec<&'static str> {
    let read = read_with(name, bytes, Listed::ByName, Options::default());
    read.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(codes("bad.yaml", b"kind: \xff\xfe"), ["PC001"]);
    assert_eq!(codes("bad.json", b"{\"kind\": \"\xc3\"}"), ["PC001"]);
    assert_eq!(codes("bad.yaml", b"kind: a\0b"), ["PC002"]);
    assert_eq!(codes("bad.json", b"{\"kind\": \"a\0b\"}"), ["PC002"]);
    assert_eq!(codes("bad.yaml", b"k\0i\0n\0d\0"), ["PC002"]);
}

#[test]
fn a_byte_that_is_no_utf8_is_shown_at_its_place() {
    let read = read_with("bad.yaml", b"one: 1\ntwo: \xff", Listed::ByName, Options::default());
    let place = read.diagnostics[0].place.as_ref().unwrap();
    assert_eq!((place.line, place.column), (2, 6));
}

#[test]
fn deep_nesting() {
    for depth in [101, 100_000] {
        assert_eq!(codes("bad.json", "[".repeat(depth).as_bytes()), ["PC004"], "{depth}");
        assert_eq!(codes("bad.json", "{\"a\":".repeat(depth).as_bytes()), ["PC004"], "{depth}");
        let text =
            format!("{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {}", "{\"a\": ".repeat(depth));
        assert_eq!(codes("bad.json", text.as_bytes()), ["PC004"], "{depth}");
        assert_eq!(codes("bad.yaml", "[".repeat(depth).as_bytes()), ["PC004"], "{depth}");
        assert_eq!(
            codes("bad.yaml", format!("a: {}", "{a: ".repeat(depth)).as_bytes()),
            ["PC004"],
            "{depth}"
        );
        assert_eq!(codes("bad.yaml", "- ".repeat(depth).as_bytes()), ["PC004"], "{depth}");
    }
    let stairs: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(codes("bad.yaml", stairs.as_bytes()), ["PC004"]);
}

#[test]
fn alias_bombs() {
    let mut lists = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a0: &a0 {k: v}\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        lists += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", "));
        merges += &format!("a{level}: &a{level} {{<<: [{}]}}\n", [below.as_str(); 10].join(", "));
    }
    assert_eq!(codes("bomb.yaml", lists.as_bytes()), ["PC006"]);
    // merged keys are the same ones again and again: large on paper only
    assert_eq!(codes("bomb.yaml", merges.as_bytes()), ["PC008"]);
    assert_eq!(codes("bomb.yaml", b"a: &a [*a]"), ["PC006"]);
    let nested = format!("a: {}", (0..99).map(|level| format!("&n{level} [x, ")).collect::<String>());
    assert!(!codes("bomb.yaml", nested.as_bytes()).is_empty());
}

#[test]
fn a_scalar_of_100_mb() {
    let long = "x".repeat(100 << 20);
    assert_eq!(codes("bad.yaml", format!("kind: {long}").as_bytes()), ["PC005"]);
    assert_eq!(codes("bad.json", format!("{{\"kind\": \"{long}\"}}").as_bytes()), ["PC005"]);
}

#[test]
fn many_problems_are_counted_not_kept() {
    let bad = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: A}\n";
    let read = read_text("bad.yaml", &bad.repeat(5_000));
    assert_eq!(read.diagnostics.len(), 1_001);
    assert_eq!(read.diagnostics.last().unwrap().title, "4000 more problems after the first 1000");
    assert!(read.has_errors());
}

#[test]
fn nothing_at_all() {
    for text in [
        "",
        "\n",
        "---\n---\n",
        "# a comment\n",
        "\u{feff}",
        "{}",
        "[]",
        "null",
        "---",
        "...",
        "%YAML 1.1\n---\n",
    ] {
        let read = read_with("empty.yaml", text.as_bytes(), Listed::InFolder, Options::default());
        assert_eq!(read.diagnostics, [], "{text:?}");
        assert!(read.objects.is_empty());
    }
}
