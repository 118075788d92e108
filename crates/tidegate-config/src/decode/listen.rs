//! `listen`: who can reach what.

use std::net::SocketAddr;

use super::Decoder;
use crate::config::{Listen, Listener, Tls};
use crate::diagnostic::{Code, Problem};
use crate::shape::{Checked, Datum, Fields};

impl Decoder<'_> {
    pub(super) fn listen(&mut self, fields: &Fields) -> Option<Listen> {
        let public = fields.fields("public").and_then(|it| self.listener(it));
        let admin_fields = fields.fields("admin");
        let admin = admin_fields.and_then(|it| self.listener(it));
        let given = admin_fields.is_some_and(|it| it.get("token").is_some());
        let admin_token = admin_fields.and_then(|it| {
            let span = it.span_of("token");
            let reference = it.secret("token")?.clone();
            self.secret(&reference, span)
        });
        let (public, admin) = (public?, admin?);
        let span = admin_fields.map_or(fields.span, |it| it.span_of("address"));
        if !admin.address.ip().is_loopback() && !given {
            self.report(
                Problem::new(
                    Code::AdminOpen,
                    span,
                    format!("`admin` on {} would answer everybody", admin.address),
                )
                .label("reachable by others")
                .help("add `token: \"${env:TIDEGATE_ADMIN_TOKEN}\"`, or listen on 127.0.0.1"),
            );
        }
        if collide(public.address, admin.address) {
            self.report(
                Problem::new(
                    Code::AddressTaken,
                    span,
                    format!("`admin` has the port of `public`, {}", admin.address.port()),
                )
                .label("taken by `public`")
                .help("give `admin` a port of its own"),
            );
        }
        let peer = fields.fields("peer").and_then(|it| self.peer(it));
        if let Some(peer) = &peer {
            let span = fields
                .fields("peer")
                .map_or(fields.span, |it| it.span_of("address"));
            for (name, other) in [("public", public.address), ("admin", admin.address)] {
                if collide(peer.address, other) {
                    self.report(
                        Problem::new(
                            Code::AddressTaken,
                            span,
                            format!("`peer` has the port of `{name}`, {}", other.port()),
                        )
                        .label(format!("taken by `{name}`"))
                        .help("give `peer` a port of its own"),
                    );
                }
            }
        }
        Some(Listen {
            public,
            admin,
            admin_token,
            peer,
        })
    }

    /// The listener for other regions: with certificates on both sides, or plain if that is asked for.
    fn peer(&mut self, fields: &Fields) -> Option<Listener> {
        let listener = read(fields)?;
        let plain = fields.get("danger-plain").is_some() && listener.address.ip().is_loopback();
        if listener.tls.is_none() && !plain {
            self.report(
                Problem::new(
                    Code::PeerOpen,
                    fields.span_of("address"),
                    "`peer` would give the whole log to whoever says to be a region",
                )
                .label("no `tls`")
                .help(
                    "add `tls: { cert: …, key: …, client-ca: … }`; on a loopback address, for trials, \
                     `danger-plain: on-loopback` will do",
                ),
            );
        }
        Some(listener)
    }

    fn listener(&mut self, fields: &Fields) -> Option<Listener> {
        let listener = read(fields)?;
        let address = listener.address;
        if listener.tls.is_none() && !address.ip().is_loopback() {
            self.report(
                Problem::new(
                    Code::NoTls,
                    fields.span_of("address"),
                    format!("{address} can be reached by others and speaks plain HTTP"),
                )
                .label("no `tls`")
                .help("add `tls: { cert: …, key: … }`, or listen on 127.0.0.1 behind a proxy"),
            );
        }
        Some(listener)
    }
}

fn read(fields: &Fields) -> Option<Listener> {
    let Some(Checked::Datum(Datum::Address(address))) =
        fields.get("address").map(|item| &item.value)
    else {
        return None;
    };
    let tls = match fields.get("tls") {
        None => None,
        Some(item) => Some(tls(item.fields()?)?),
    };
    Some(Listener {
        address: *address,
        tls,
    })
}

fn tls(fields: &Fields) -> Option<Tls> {
    Some(Tls {
        cert: fields.text("cert")?,
        key: fields.text("key")?,
        client_ca: fields.text("client-ca"),
        // Regions always prove themselves; their shape has no such key.
        client_required: fields.word("client-auth").is_none_or(|it| it == "required"),
    })
}

/// Whether both cannot be bound; port 0 never collides.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let unspecified = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || unspecified)
}
