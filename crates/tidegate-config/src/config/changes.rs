//! What a reload would change.

use super::Config;

/// One difference between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The part, as a path in the file: `flows.github-events`.
    pub part: String,
    /// Whether it is there in both, or came or went.
    pub kind: ChangeKind,
    /// Whether it takes effect only after a restart.
    pub restart: bool,
}

/// How a part differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is there no longer.
    Removed,
    /// It is there in both and differs.
    Changed,
}

impl Config {
    /// What differs in `new`, in the order of the file.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut found = Found(Vec::new());
        // Identity, tags, addresses, folder and limits are fixed when the process starts.
        found.part("subsystem", self.subsystem == new.subsystem, true);
        found.part("account", self.account == new.account, true);
        found.part("stage", self.stage == new.stage, true);
        let regions = self.region == new.region && self.regions == new.regions;
        found.part("regions", regions, true);
        found.part("lease", self.lease == new.lease, true);
        found.part("front-door", self.front_door == new.front_door, false);
        let (old_listen, new_listen) = (&self.listen, &new.listen);
        found.part(
            "listen.public",
            old_listen.public == new_listen.public,
            true,
        );
        found.part("listen.admin", old_listen.admin == new_listen.admin, true);
        found.part("listen.peer", old_listen.peer == new_listen.peer, true);
        let token = old_listen.admin_token == new_listen.admin_token;
        found.part("listen.admin.token", token, false);
        found.part("data", self.data == new.data, true);
        let segment = self.log.segment == new.log.segment;
        found.part("log.segment", segment, true);
        let durability = self.log.durability == new.log.durability;
        found.part("log.durability", durability, true);
        let (old, now) = (&self.log, &new.log);
        let kept = (old.keep, old.size_max) == (now.keep, now.size_max);
        found.part("log", kept, false);
        found.part("limits", self.limits == new.limits, true);
        found.named("systems", &self.systems, &new.systems, |it| &it.name);
        found.named("flows", &self.flows, &new.flows, |it| &it.name);
        found.named("flows", &self.deliveries, &new.deliveries, |it| &it.name);
        found.named("flows", &self.polls, &new.polls, |it| &it.name);
        found.named("flows", &self.feeds, &new.feeds, |it| &it.name);
        found.named("services", &self.services, &new.services, |it| &it.name);
        found.part("logging", self.logging == new.logging, true);
        found.0
    }
}

struct Found(Vec<Change>);

impl Found {
    fn part(&mut self, part: &str, same: bool, restart: bool) {
        if !same {
            self.0.push(Change {
                part: part.to_owned(),
                kind: ChangeKind::Changed,
                restart,
            });
        }
    }

    /// Parts with names. Both lists are bounded by the limits of the file, so that looking each
    /// name up in the other list is cheap enough.
    fn named<T: PartialEq>(&mut self, of: &str, old: &[T], new: &[T], name: fn(&T) -> &String) {
        let mut push = |one: &T, kind| {
            self.0.push(Change {
                part: format!("{of}.{}", name(one)),
                kind,
                restart: false,
            });
        };
        for one in old {
            match new.iter().find(|other| name(other) == name(one)) {
                None => push(one, ChangeKind::Removed),
                Some(other) if other != one => push(one, ChangeKind::Changed),
                Some(_) => {}
            }
        }
        for one in new {
            if !old.iter().any(|other| name(other) == name(one)) {
                push(one, ChangeKind::Added);
            }
        }
    }
}
