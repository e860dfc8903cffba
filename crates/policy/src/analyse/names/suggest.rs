//! What a misspelt name may have meant.

/// The candidate that is spelt most like `name`; `None` where none is near. Of equally near ones the first
/// in the order of the alphabet.
pub(in crate::analyse) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let longest = name.chars().count() / 3 + 1;
    let near = |candidate: &'a str| (strsim::damerau_levenshtein(name, candidate), candidate);
    let (distance, candidate) = candidates.map(near).min()?;
    (distance <= longest).then(|| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_strange_one_nobody() {
        let known = || ["frontend", "backend", "database"].into_iter();
        assert_eq!(nearest("fronted", known()).as_deref(), Some("frontend"));
        assert_eq!(nearest("databsae", known()).as_deref(), Some("database"));
        assert_eq!(nearest("cache", known()), None);
    }
}
