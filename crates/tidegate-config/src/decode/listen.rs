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
        Some(Listen {
            public,
            admin,
            admin_token,
        })
    }

    fn listener(&mut self, fields: &Fields) -> Option<Listener> {
        let Some(Checked::Datum(Datum::Address(address))) =
            fields.get("address").map(|item| &item.value)
        else {
            return None;
        };
        let address = *address;
        if fields.get("tls").is_none() && !address.ip().is_loopback() {
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
        let tls = match fields.get("tls") {
            None => None,
            Some(item) => Some(tls(item.fields()?)?),
        };
        Some(Listener { address, tls })
    }
}

fn tls(fields: &Fields) -> Option<Tls> {
    Some(Tls {
        cert: fields.text("cert")?,
        key: fields.text("key")?,
        client_ca: fields.text("client-ca"),
        client_required: fields.word("client-auth")? == "required",
    })
}

/// Whether both cannot be bound; port 0 never collides.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let unspecified = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || unspecified)
}
