//! `systems`: the external systems.

use super::{Decoder, Regions};
use crate::config::{Endpoint, Hosting, RoleProbe, System, Topology};
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;

impl Decoder<'_> {
    pub(super) fn systems(&mut self, top: &Fields, regions: &Regions) -> Vec<System> {
        let Some(systems) = top.fields("systems") else {
            return Vec::new();
        };
        self.unused(systems, top);
        let mut decoded = Vec::with_capacity(systems.entries.len());
        for (name, _, item) in &systems.entries {
            if let Some(fields) = item.fields() {
                decoded.extend(self.system(name, fields, regions));
            }
        }
        decoded
    }

    /// Reports systems that no flow names; silent while a flow names something else than a system,
    /// since that is the defect then.
    fn unused(&mut self, systems: &Fields, top: &Fields) {
        let mut used: Vec<String> = Vec::new();
        for (.., flow) in top.fields("flows").into_iter().flat_map(|it| &it.entries) {
            match flow.fields().and_then(|flow| flow.text("system")) {
                Some(name) if systems.get(&name).is_some() => used.push(name),
                _ => return,
            }
        }
        for (name, span, _) in &systems.entries {
            if used.contains(name) {
                continue;
            }
            let message = format!("no flow names the system `{name}`");
            self.report(
                Problem::new(Code::Unused, *span, message)
                    .label("not used")
                    .help("remove it, or add the flow"),
            );
        }
    }

    fn system(&mut self, name: &str, fields: &Fields, regions: &Regions) -> Option<System> {
        let hosting = self.hosting(fields, regions);
        let topology = match fields.word("topology")? {
            "primary-secondary" => Topology::PrimarySecondary,
            "active-active" if fields.word("mode") == Some("partitioned") => Topology::Partitioned,
            "active-active" => Topology::Shared,
            _ => Topology::Single,
        };
        let role_probe = self.of_topology(fields);
        let allowed_regions = self.regions_of(fields, "allowed-regions", regions);
        let mut endpoints = self.endpoints(fields, regions);
        if let Some(url) = fields.text("url") {
            if !endpoints.is_empty() {
                self.report(
                    Problem::new(
                        Code::OneOf,
                        fields.span_of("url"),
                        "`url` and `endpoints` stand here together",
                    )
                    .label("one too many")
                    .help("keep `url` for one endpoint, `endpoints` for several"),
                );
            }
            endpoints.push(Endpoint {
                name: "main".to_owned(),
                url,
                near: None,
            });
        }
        let single = topology == Topology::Single;
        if !endpoints.is_empty() && single != (endpoints.len() == 1) {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("topology"),
                    format!(
                        "`{name}` is {} with {} endpoints",
                        topology.word(),
                        endpoints.len()
                    ),
                )
                .label("does not fit its endpoints")
                .help("`single` has one endpoint, `primary-secondary` and `active-active` several"),
            );
        }
        let calling = self.calling(fields);
        if let Some(Hosting::OnPremises { links }) = &hosting {
            self.reachable(name, fields, links, &allowed_regions);
        }
        Some(System {
            name: name.to_owned(),
            hosting: hosting?,
            topology,
            their_rpo: fields.duration("their-rpo"),
            their_retry_horizon: fields.duration("their-retry-horizon"),
            role_probe: role_probe?,
            allowed_regions,
            endpoints,
            calling: calling?,
        })
    }

    fn hosting(&mut self, fields: &Fields, regions: &Regions) -> Option<Hosting> {
        let hosting = fields.word("hosting")?;
        for (key, only) in [("fails-with", "same-cloud"), ("links", "on-premises")] {
            if fields.get(key).is_some() && hosting != only {
                self.report(
                    Problem::new(
                        Code::Contradiction,
                        fields.span_of(key),
                        format!("`{key}` is only for `hosting: {only}`"),
                    )
                    .label(format!("hosting is {hosting}"))
                    .help(format!("remove `{key}`, or set `hosting: {only}`")),
                );
            }
        }
        let fails_with = fields.text("fails-with");
        if let Some(name) = fails_with.as_deref().filter(|name| !regions.knows(name)) {
            regions.unknown(name, fields.span_of("fails-with"), self.problems);
        }
        let links = self.regions_of(fields, "links", regions);
        Some(match hosting {
            "same-cloud" => Hosting::SameCloud { fails_with },
            "on-premises" => Hosting::OnPremises { links },
            _ => Hosting::OtherCloud,
        })
    }

    /// The regions in the list under `key`; those that are not declared are reported.
    fn regions_of(&mut self, fields: &Fields, key: &str, regions: &Regions) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for item in fields.list(key) {
            let Some(name) = item.text() else { continue };
            if !regions.knows(name) {
                regions.unknown(name, item.span, self.problems);
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Reports a system that no region may call.
    fn reachable(&mut self, name: &str, fields: &Fields, links: &[String], allowed: &[String]) {
        let all = links.is_empty() || allowed.is_empty();
        if !all && !links.iter().any(|link| allowed.contains(link)) {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    fields.span_of("allowed-regions"),
                    format!("no region that is allowed has a line to `{name}`"),
                )
                .label("none of `links`")
                .help("allow a region of `links`, or give an allowed one a line"),
            );
        }
    }

    /// The role probe; keys that belong to another topology are reported.
    fn of_topology(&mut self, fields: &Fields) -> Option<Option<RoleProbe>> {
        let topology = fields.word("topology")?;
        for (key, only) in [
            ("mode", "active-active"),
            ("role-probe", "primary-secondary"),
        ] {
            if fields.get(key).is_some() && topology != only {
                self.report(
                    Problem::new(
                        Code::Contradiction,
                        fields.span_of(key),
                        format!("`{key}` is only for `topology: {only}`"),
                    )
                    .label(format!("topology is {topology}"))
                    .help(format!("remove `{key}`, or set `topology: {only}`")),
                );
            }
        }
        let Some(item) = fields.get("role-probe") else {
            return Some(None);
        };
        let probe = item.fields()?;
        Some(Some(RoleProbe {
            path: probe.text("path")?,
            active: self.filter(probe, "active")?,
            every: probe.duration("every")?,
        }))
    }

    fn endpoints(&mut self, fields: &Fields, regions: &Regions) -> Vec<Endpoint> {
        let Some(endpoints) = fields.fields("endpoints") else {
            return Vec::new();
        };
        let mut decoded = Vec::with_capacity(endpoints.entries.len());
        for (name, _, item) in &endpoints.entries {
            let Some(fields) = item.fields() else {
                continue;
            };
            let near = fields.text("near");
            if let Some(region) = near.as_deref().filter(|region| !regions.knows(region)) {
                regions.unknown(region, fields.span_of("near"), self.problems);
            }
            decoded.extend(fields.text("url").map(|url| Endpoint {
                name: name.clone(),
                url,
                near,
            }));
        }
        decoded
    }
}
