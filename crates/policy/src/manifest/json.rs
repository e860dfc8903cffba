//! JSON, read at the speed of a scan: what nobody asks for is checked but not kept.

use std::borrow::Cow;

use memchr::memchr2;

use super::tree::{Broken, Entry, LONGEST_SCALAR, MOST_DEPTH, Node, Shape, Span, Value};

/// A text and how far it is read.
pub(super) struct Json<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

/// A result is handed through many calls for each value: the rare error is kept out of its way.
pub(super) type Result<T> = std::result::Result<T, Box<Broken>>;

impl<'a> Json<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Json { text, bytes: text.as_bytes(), at, depth: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Skips white space; whether nothing is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.space();
        self.at >= self.bytes.len()
    }

    /// The next byte that is no white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    /// Whether a list comes next whose first element is an object that starts with what it is.
    pub(super) fn is_at_objects(&mut self) -> bool {
        self.space();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let inner = rest.strip_prefix('[').and_then(|rest| rest.trim_start().strip_prefix('{'));
        inner
            .map(str::trim_start)
            .is_some_and(|key| key.starts_with("\"apiVersion\"") || key.starts_with("\"kind\""))
    }

    /// One value, what `shape` asks for.
    pub(super) fn value(&mut self, shape: &Shape) -> Result<Node<'a>> {
        self.space();
        let start = self.at;
        let value = match (shape, self.peek()) {
            (Shape::Skip, _) => self.skip().map(|()| Value::Skipped)?,
            (_, Some(b'{')) => Value::Map(self.map(shape)?),
            (_, Some(b'[')) => Value::List(self.list(shape)?),
            (_, Some(b'"')) => Value::Text(self.string()?),
            (_, _) => self.scalar()?,
        };
        Ok(Node { at: start..self.at, value })
    }

    /// Enters a map: gives each key to `each`, which must read the value.
    pub(super) fn entries(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>, Span) -> Result<()>,
    ) -> Result<()> {
        self.enter(b'{')?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            self.space();
            let start = self.at;
            let key = self.string()?;
            let at = start..self.at;
            self.expect(b':')?;
            each(self, key, at)?;
            match self.next_of(b'}')? {
                Next::More => (),
                Next::End => return self.leave(),
            }
        }
    }

    /// Enters a list: `each` must read one element.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.enter(b'[')?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            each(self)?;
            match self.next_of(b']')? {
                Next::More => (),
                Next::End => return self.leave(),
            }
        }
    }

    fn map(&mut self, shape: &Shape) -> Result<Vec<Entry<'a>>> {
        let mut entries = Vec::new();
        self.entries(|json, key, key_at| {
            let value = json.value(shape_of(shape, &key))?;
            entries.push(Entry { key, key_at, is_odd: false, value });
            Ok(())
        })?;
        Ok(entries)
    }

    fn list(&mut self, shape: &Shape) -> Result<Vec<Node<'a>>> {
        let shape = match shape {
            Shape::Each(shape) => shape,
            Shape::Whole | Shape::Skip | Shape::Keys(_) => shape,
        };
        let mut elements = Vec::new();
        self.elements(|json| {
            elements.push(json.value(shape)?);
            Ok(())
        })?;
        Ok(elements)
    }

    fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'{') => self.entries_skipped(),
            Some(b'[') => self.elements(Json::skip),
            Some(b'"') => self.raw_string().map(|_| ()),
            Some(_) | None => self.scalar().map(|_| ()),
        }
    }

    fn entries_skipped(&mut self) -> Result<()> {
        self.enter(b'{')?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            self.space();
            self.raw_string()?;
            self.expect(b':')?;
            self.skip()?;
            match self.next_of(b'}')? {
                Next::More => (),
                Next::End => return self.leave(),
            }
        }
    }

    fn enter(&mut self, opening: u8) -> Result<()> {
        self.expect(opening)?;
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(too_deep(self.at - 1..self.at).into());
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// After an element: a comma, or the closing bracket, which is left for `leave`.
    fn next_of(&mut self, closing: u8) -> Result<Next> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(Next::More)
            }
            Some(byte) if byte == closing => Ok(Next::End),
            Some(_) | None => Err(self.broken(&format!("expected `,` or `{}`", char::from(closing)))),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.broken(&format!("expected `{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>> {
        let (inner, has_escapes) = self.raw_string()?;
        let raw = self.text.get(inner.clone()).unwrap_or_default();
        if !has_escapes {
            return Ok(Cow::Borrowed(raw));
        }
        unescaped(raw).map(Cow::Owned).ok_or_else(|| syntax(inner, "an escape that JSON doesn't have"))
    }

    /// What stands between the quotes, and whether it has escapes.
    fn raw_string(&mut self) -> Result<(Span, bool)> {
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(found) = special(rest) else {
                return Err(syntax(start - 1..start, "a string that never ends"));
            };
            self.at += found;
            match rest.get(found) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 2;
                }
                Some(_) | None => {
                    return Err(syntax(self.at..self.at + 1, "a control character in a string"));
                }
            }
        }
        let inner = start..self.at;
        self.at += 1;
        if inner.len() > LONGEST_SCALAR {
            return Err(too_long(start..start).into());
        }
        Ok((inner, has_escapes))
    }

    fn scalar(&mut self) -> Result<Value<'a>> {
        self.space();
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| is_of_scalar(**byte)).count();
        let word = self.text.get(start..start + length).unwrap_or_default();
        self.at += length;
        match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "" => Err(self.broken("expected a value")),
            word if is_number(word) => Ok(number(word)),
            word => Err(syntax(start..start + length, &format!("`{}` is no JSON value", shortened(word)))),
        }
    }

    fn broken(&self, title: &str) -> Box<Broken> {
        if self.at >= self.bytes.len() {
            return syntax(self.at..self.at, &format!("{title}, found the end of the file"));
        }
        let mut end = self.at + 1;
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        syntax(self.at..end, title)
    }
}

enum Next {
    More,
    End,
}

/// The first byte of a string that doesn't stand for itself: a quote, an escape, or a control character, which
/// may not be there. Strings are short mostly: look byte by byte first.
fn special(bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 16;
    let near = bytes.iter().take(NEAR).position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
    near.or_else(|| {
        let far = bytes.get(NEAR..)?;
        let found = memchr2(b'"', b'\\', far)?;
        let control = far.iter().take(found).position(|byte| *byte < b' ');
        Some(NEAR + control.unwrap_or(found))
    })
}

fn shape_of<'s>(shape: &'s Shape, key: &str) -> &'s Shape {
    match shape {
        Shape::Whole => &Shape::Whole,
        Shape::Skip | Shape::Each(_) => &Shape::Skip,
        Shape::Keys(keys) => {
            keys.iter().find(|(name, _)| *name == key).map_or(&Shape::Skip, |(_, shape)| shape)
        }
    }
}

fn is_of_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_')
}

/// JSON's grammar of numbers, RFC 8259 section 6.
fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at).unwrap_or_default(), unsigned.get(at + 1..)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    has_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(has_digits)
        && exponent.is_none_or(|text| has_digits(text.strip_prefix(['-', '+']).unwrap_or(text)))
}

fn number<'a>(word: &str) -> Value<'a> {
    match word.parse() {
        Ok(whole) => Value::Int(whole),
        Err(_) => Value::Float(word.parse().unwrap_or(f64::NAN)),
    }
}

fn unescaped(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        let kind = rest.chars().next()?;
        rest = rest.get(kind.len_utf8()..)?;
        let character = match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, after) = code_point(rest)?;
                rest = after;
                character
            }
            _ => return None,
        };
        text.push(character);
    }
    text.push_str(rest);
    Some(text)
}

/// The four digits after `\u`, and the second half of a surrogate pair. A half alone is replaced, as Go does.
fn code_point(rest: &str) -> Option<(char, &str)> {
    let first = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
    let rest = rest.get(4..)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest));
    }
    let second = rest.strip_prefix("\\u").and_then(|rest| u32::from_str_radix(rest.get(..4)?, 16).ok());
    match second {
        Some(second) if (0xDC00..0xE000).contains(&second) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            Some((char::from_u32(code)?, rest.get(6..)?))
        }
        Some(_) | None => Some((char::REPLACEMENT_CHARACTER, rest)),
    }
}

fn shortened(word: &str) -> String {
    let head: String = word.chars().take(20).collect();
    if head.len() < word.len() { format!("{head}...") } else { head }
}

fn syntax(at: Span, title: &str) -> Box<Broken> {
    Box::new(Broken { at, code: "PC003", title: format!("not JSON: {title}"), help: None })
}

pub(super) fn too_deep(at: Span) -> Broken {
    Broken {
        at,
        code: "PC004",
        title: format!("maps and lists nest deeper than {MOST_DEPTH}"),
        help: Some("no Kubernetes object is that deep".to_owned()),
    }
}

pub(super) fn too_long(at: Span) -> Broken {
    Broken {
        at,
        code: "PC005",
        title: format!("a scalar of more than {} MiB", LONGEST_SCALAR >> 20),
        help: Some("the API server stores no object that large".to_owned()),
    }
}
