//! The table of problem codes, from which the pages of `docs/errors` are made.

use super::Severity;

/// A row of the table: one kind of problem.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    /// The kind.
    pub code: Code,
    /// What is printed, for example `TG-0105`.
    pub id: &'static str,
    /// Whether it forbids the use of the configuration.
    pub severity: Severity,
    /// A short title.
    pub title: &'static str,
    /// What it means and what follows from it.
    pub meaning: &'static str,
    /// What to do.
    pub cure: &'static str,
}

impl Code {
    /// The row of this code.
    #[must_use]
    pub fn row(self) -> &'static CodeRow {
        // The table has one row per code, in the order of the codes; a test holds it to that.
        CODES.get(self as usize).unwrap_or(FIRST)
    }

    /// What is printed, for example `TG-0105`.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row().id
    }
}

/// The kinds of problems and the table that explains them, from one list.
macro_rules! codes {
    ($($code:ident $id:literal $severity:ident $title:literal
        means $meaning:literal cure $cure:literal;)+) => {
        /// The kinds of problems a configuration can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $code,)+ }

        /// All codes, in the order of their numbers.
        pub const CODES: &[CodeRow] = &[$(CodeRow {
            code: Code::$code,
            id: $id,
            severity: Severity::$severity,
            title: $title,
            meaning: $meaning,
            cure: $cure,
        },)+];
    };
}

codes! {
    Syntax "TG-0101" Error "The text is not YAML"
        means "The file stops being YAML at this place, so nothing behind it can be checked."
        cure "Look at indentation (spaces, never tabs), quotes and brackets on this line and the one before. A value with `: ` or ` #` in it needs quotes.";
    TooLarge "TG-0102" Error "The file is too large"
        means "The file is larger, deeper or has more of something than any configuration needs. The limit keeps a broken or hostile file from using up memory."
        cure "Remove what is not configuration, or spread the flows over several gateways.";
    Unsupported "TG-0103" Error "A part of YAML that is not accepted"
        means "Anchors, aliases, tags, merge keys, several documents and keys that are not plain words are not accepted, so that every value stands where it is used."
        cure "Write the value out.";
    DuplicateKey "TG-0104" Error "A key stands twice"
        means "The same key stands twice in one mapping. Only one of the two could count, and which one would be a guess."
        cure "Keep one of the two.";
    UnknownKey "TG-0105" Error "An unknown key"
        means "The key is not known at this place. It is an error, since a misspelt key would otherwise silently leave a default in force."
        cure "Take the spelling that is proposed, or look the key up in the configuration reference.";
    Missing "TG-0106" Error "A required key is missing"
        means "The mapping lacks a key that has no default."
        cure "Add the key.";
    WrongType "TG-0107" Error "A value of the wrong type"
        means "A mapping stands where a list is expected, a number where text is, or the like."
        cure "Write the value in the form the help text shows. Text that looks like a number or like `true` needs quotes.";
    BadValue "TG-0108" Error "A value that is not possible"
        means "The value has the right type, but is out of bounds, or not one of the words that are possible here."
        cure "Take a value within the bounds that the help text names.";
    NotYet "TG-0109" Error "Not available in this version"
        means "The key belongs to a part that this version does not have. It is an error, since ignoring it would promise what does not happen."
        cure "Remove the key, or take a version that has it.";
    OneOf "TG-0110" Error "Exactly one of several keys"
        means "Of these keys exactly one must stand here: they say the same thing in different ways."
        cure "Keep one of them.";
    SecretLiteral "TG-0111" Error "A secret written into the file"
        means "Secrets are only taken by reference, so that the file can be shown, compared and kept in version control."
        cure "Put the secret into an environment variable or a file and write `${env:NAME}` or `${file:PATH}`. Treat the one that stood in the file as known to others and replace it.";
    SecretUnresolved "TG-0112" Error "A secret that cannot be read"
        means "The environment variable is not set, or the file cannot be read, is empty, or is too large."
        cure "Set the variable, or create the file and let the gateway's user read it. A relative path starts at the folder of the configuration file.";
    SecretMalformed "TG-0113" Error "A secret that does not fit its scheme"
        means "The secret was found, but has not the form that the signature scheme needs, for example `whsec_` and base64."
        cure "Copy the secret again from where the sender shows it, whole and without blanks.";
    UnknownSystem "TG-0114" Error "An external system that is not declared"
        means "A flow names a system that does not stand under `systems`."
        cure "Declare the system, or take the spelling that is proposed.";
    UnknownRegion "TG-0115" Error "A region that is not declared"
        means "Something names a region that does not stand under `regions`."
        cure "Declare the region, or take the spelling that is proposed.";
    RegionChoice "TG-0116" Error "No region chosen"
        means "The file declares several regions, and this process was not told which of them it is."
        cure "Start with `--region NAME`.";
    PathTaken "TG-0117" Error "Two flows on the same path"
        means "Two flows receive on the same path, so a request could not be told apart."
        cure "Give each flow a path of its own.";
    PathReserved "TG-0118" Error "A path that the gateway uses itself"
        means "The path belongs to the gateway: `/v1/…` for publishing and subscribing, `/healthz`, `/readyz` and `/metrics` for operation, `/out/…` for flows that serve."
        cure "Take another path, for example one below `/in/`.";
    NoIdentity "TG-0119" Error "Nothing tells repeats apart"
        means "The signature scheme signs no id, and the flow does not say where the sender's id stands. A hash of the body is not taken silently, since it would drop legitimate repeats."
        cure "Give `event.id` as a jq expression, or say `id: content` (equal bodies are the same event) or `id: none` (every request is a new event).";
    NoType "TG-0120" Error "An event without a type"
        means "A webhook has no type of its own, and the flow does not say how it is made."
        cure "Give `event.type`, for example `'\"github.\" + .headers[\"x-github-event\"]'`.";
    Jq "TG-0121" Error "A jq expression that cannot be used"
        means "The expression is not jq, or uses a part of jq that is withheld because it would read the environment or the clock, or might never end."
        cure "Correct the expression at the place that is shown.";
    AdminOpen "TG-0122" Error "The admin listener is open to others without a token"
        means "The admin listener stands on an address that others can reach, and would answer everybody."
        cure "Give `listen.admin.token`, or let it listen on a loopback address.";
    AddressTaken "TG-0123" Error "Two listeners on the same address"
        means "Two of the listeners have the same address."
        cure "Give them different ports.";
    Contradiction "TG-0124" Error "Two values that contradict each other"
        means "Each value is possible, but not both together."
        cure "Change one of them as the help text says.";
    FeedOpen "TG-0125" Error "A feed that everybody could fetch"
        means "The feed has no consumers, so it asks for no token, and the public listener stands on an address that others can reach."
        cure "Give the feed `consumers` with a token each, or let the public listener listen on a loopback address.";
    PeerOpen "TG-0126" Error "The log is open to whoever names a region"
        means "The listener for other regions asks for no certificates, so that whoever reaches it can read the whole log."
        cure "Give `listen.peer.tls`; on one machine, for trials, `danger-plain: on-loopback`.";
    Unverified "TG-0151" Warning "Requests are taken from anybody"
        means "The flow does not verify its requests, and the public listener can be reached by others. Anybody who knows the path can put events into the log."
        cure "Choose a signature scheme, or at least `basic`, `bearer` or `api-key`.";
    NoTls "TG-0152" Warning "A listener without TLS"
        means "The listener can be reached by others and speaks plain HTTP: credentials and events can be read and changed on the way."
        cure "Give `tls`, or let a proxy in front do it and listen on a loopback address.";
    Unused "TG-0153" Warning "Something that nothing uses"
        means "The external system is declared, but no flow names it."
        cure "Remove it, or add the flow.";
    Weak "TG-0154" Warning "A proof that is weaker than it may look"
        means "The scheme works, but a short key, an old hash, a wide time window or a key in the query makes it easier to get around."
        cure "Take a longer key, a newer hash, a narrower window or a header, as far as the sender can.";
    AmbiguousId "TG-0155" Warning "An id that may name two events of a feed"
        means "A flow remembers ids for less time than the feed reaches back, so a late repeat can stand in the feed as a second event with the same id. A client that names its position by that id is taken to mean the later one. Cursors name one place only and are not affected."
        cure "Raise `dedup` of the flow, lower `retention` of the feed, or have the consumer use cursors.";
    KeyForgotten "TG-0156" Warning "Retries outlive the idempotency key"
        means "The other side forgets an idempotency key before the last retry. A late retry of an event that it has processed may then be processed a second time."
        cure "Shorten `retry.schedule`, or ask the other side to remember keys for longer and raise `ttl`.";
    Repeats "TG-0157" Warning "A failover may repeat what was delivered"
        means "When a region fails, another one sends again what was under way and what it has no receipt of. Nothing is known of the other side that would make such a repeat harmless, so an order may be placed twice."
        cure "Say what the other side does: `idempotency: { ttl: 24h, scope: global }` if it remembers keys, `idempotency: natural` if a repeat changes nothing there.";
    OneCopy "TG-0158" Warning "Only one region has what cannot be had again"
        means "The sender forgets an event once it was acknowledged, and it is acknowledged when one region has it. While that region is down the event is late; if its disk is lost, so is the event."
        cure "Set `durability: remote`. For webhooks, a flow that polls a list of what was sent (`reconcile`), or `registered: every-region`, does as well.";
    OneLink "TG-0159" Warning "One line to a system on premises"
        means "Only one region can call the system, so nobody takes over when that region is down."
        cure "Give another region a line and name it under `links`, or accept that the flows wait; make `log.keep` longer than the longest wait.";
    UnseenPromotion "TG-0160" Warning "Nobody sees that their secondary was promoted"
        means "Only the endpoint that says that it is active is called. Nothing asks the endpoints, so the first one is taken to be the primary until an operator pins another."
        cure "Add `role-probe` to the system.";
    NotRun "TG-0161" Warning "Can be planned, not run"
        means "The file is right, and `check` and `plan` take it. This version of the gateway does not do what it says, so `run` and `reload` refuse it instead of promising it."
        cure "Run what the help text names, or take a version that has it.";
}

/// Stands in for a row that cannot be missing.
const FIRST: &CodeRow = &CODES[0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_codes() {
        for (index, row) in CODES.iter().enumerate() {
            assert_eq!(row.code as usize, index, "{}", row.id);
            assert_eq!(row.code.id(), row.id);
        }
        assert!(CODES.is_sorted_by(|a, b| a.id < b.id));
    }
}
