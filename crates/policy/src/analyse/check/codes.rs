//! What can be found: a page for each code.

/// What a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Stable and short.
    pub code: &'static str,
    /// In one CamelCase word.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// In a sentence, lower case, no full stop.
    pub summary: &'static str,
    /// What it means, what is asked to find it, and what to do.
    pub text: &'static str,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something is hardly meant so.
    Warning,
    /// Something to know; it may well be meant so.
    Note,
}

/// The page of a code.
pub fn page(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code)
}

/// All pages, in the order of their codes.
pub const PAGES: &[Page] = &[
    Page {
        code: "PC501",
        name: "PolicySelectsNothing",
        level: Level::Warning,
        summary: "a policy selects no pod",
        text: include_str!("pages/PC501.txt"),
    },
    Page {
        code: "PC502",
        name: "PeerSelectsNothing",
        level: Level::Warning,
        summary: "a peer of a rule is no pod",
        text: include_str!("pages/PC502.txt"),
    },
    Page {
        code: "PC503",
        name: "HostNetwork",
        level: Level::Warning,
        summary: "a policy's labels match pods on their nodes' network",
        text: include_str!("pages/PC503.txt"),
    },
    Page {
        code: "PC510",
        name: "RuleContained",
        level: Level::Warning,
        summary: "a rule accepts only what others accept already",
        text: include_str!("pages/PC510.txt"),
    },
    Page {
        code: "PC511",
        name: "RuleWithoutEffect",
        level: Level::Note,
        summary: "a rule changes nothing for the pods that there are",
        text: include_str!("pages/PC511.txt"),
    },
    Page {
        code: "PC512",
        name: "PolicyContained",
        level: Level::Warning,
        summary: "a policy adds nothing to other policies",
        text: include_str!("pages/PC512.txt"),
    },
    Page {
        code: "PC514",
        name: "RuleNeverDecides",
        level: Level::Warning,
        summary: "a rule of a cluster policy never decides",
        text: include_str!("pages/PC514.txt"),
    },
    Page {
        code: "PC515",
        name: "RuleOverruled",
        level: Level::Note,
        summary: "a rule makes no difference because cluster policies decide",
        text: include_str!("pages/PC515.txt"),
    },
    Page {
        code: "PC516",
        name: "EqualPriorities",
        level: Level::Warning,
        summary: "two cluster policies of one priority contradict each other",
        text: include_str!("pages/PC516.txt"),
    },
    Page {
        code: "PC520",
        name: "NoDns",
        level: Level::Warning,
        summary: "pods that may send can't resolve names",
        text: include_str!("pages/PC520.txt"),
    },
    Page {
        code: "PC521",
        name: "HalfOpenEgress",
        level: Level::Warning,
        summary: "a rule lets out what nobody lets in",
        text: include_str!("pages/PC521.txt"),
    },
    Page {
        code: "PC522",
        name: "HalfOpenIngress",
        level: Level::Warning,
        summary: "a rule lets in what nobody lets out",
        text: include_str!("pages/PC522.txt"),
    },
    Page {
        code: "PC530",
        name: "AllowAllNamedDeny",
        level: Level::Warning,
        summary: "a policy that is named after denying accepts everything",
        text: include_str!("pages/PC530.txt"),
    },
    Page {
        code: "PC531",
        name: "DenyAllNamedAllow",
        level: Level::Warning,
        summary: "a policy that is named after allowing denies a whole direction",
        text: include_str!("pages/PC531.txt"),
    },
    Page {
        code: "PC532",
        name: "EitherOrBoth",
        level: Level::Warning,
        summary: "two peers where one of both selectors may be meant",
        text: include_str!("pages/PC532.txt"),
    },
    Page {
        code: "PC533",
        name: "IngressImplied",
        level: Level::Warning,
        summary: "a policy with only egress rules denies all ingress",
        text: include_str!("pages/PC533.txt"),
    },
    Page {
        code: "PC534",
        name: "EgressIgnored",
        level: Level::Warning,
        summary: "an empty egress list denies nothing",
        text: include_str!("pages/PC534.txt"),
    },
    Page {
        code: "PC535",
        name: "EmptyPeers",
        level: Level::Warning,
        summary: "an empty list of peers is everyone",
        text: include_str!("pages/PC535.txt"),
    },
    Page {
        code: "PC540",
        name: "NamedPortNowhere",
        level: Level::Warning,
        summary: "no destination has the port that a rule names",
        text: include_str!("pages/PC540.txt"),
    },
    Page {
        code: "PC541",
        name: "NamedPortDiffers",
        level: Level::Note,
        summary: "a port's name means different numbers",
        text: include_str!("pages/PC541.txt"),
    },
    Page {
        code: "PC550",
        name: "BlockOverPods",
        level: Level::Warning,
        summary: "a block holds pods' addresses",
        text: include_str!("pages/PC550.txt"),
    },
    Page {
        code: "PC551",
        name: "BlockOverService",
        level: Level::Warning,
        summary: "a block is the address of a Service",
        text: include_str!("pages/PC551.txt"),
    },
    Page {
        code: "PC552",
        name: "MetadataOpen",
        level: Level::Warning,
        summary: "a rule opens the address where clouds hand out credentials",
        text: include_str!("pages/PC552.txt"),
    },
    Page {
        code: "PC560",
        name: "NoDefaultDeny",
        level: Level::Note,
        summary: "pods that everyone may reach",
        text: include_str!("pages/PC560.txt"),
    },
    Page {
        code: "PC561",
        name: "TwoReadings",
        level: Level::Note,
        summary: "implementations read these policies differently",
        text: include_str!("pages/PC561.txt"),
    },
    Page {
        code: "PC590",
        name: "SuppressedWithoutReason",
        level: Level::Warning,
        summary: "a suppression names no code, or gives no reason",
        text: include_str!("pages/PC590.txt"),
    },
    Page {
        code: "PC591",
        name: "UnusedSuppression",
        level: Level::Warning,
        summary: "a suppression has nothing to suppress",
        text: include_str!("pages/PC591.txt"),
    },
];
