//! What proves us: shown, fetched, signed, kept to ourselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tidegate_core::log::entry::Blame;
use tidegate_gateway::outbound::auth::{Auth, ClientStyle, OAuth2Settings, Signature};
use tidegate_gateway::outbound::{
    Answer, BodyEnd, Endpoint, EndpointSettings, Failure, FailureKind, Request, Sent, Transport,
    TransportSettings,
};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{Credentials, DEFAULT_TOLERANCE, KeyPlace, Spec, Verifier};
use tidegate_wire::sigv4;

use crate::support::{Act, OK, PATIENCE, Server, post, send, settings, transport};

fn token(text: &str, seconds: u32) -> Vec<Act> {
    let body =
        format!(r#"{{"access_token": "{text}", "token_type": "Bearer", "expires_in": {seconds}}}"#);
    closing(200, &body)
}

/// One answer, then the end of the connection.
fn closing(status: u16, body: &str) -> Vec<Act> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    vec![Act::Read, Act::Write(text.into_bytes())]
}

fn oauth2(server: &Server, tokens: &Server, style: ClientStyle) -> Arc<Endpoint> {
    let mut settings = settings(&server.url());
    settings.auth = Auth::OAuth2(Box::new(OAuth2Settings {
        token_url: format!("{}/oauth2/token", tokens.url()),
        client_id: "tidegate".to_owned(),
        client_secret: Secret::new("client-s3cr3t"),
        style,
        scope: Some("orders.write".to_owned()),
        audience: None,
    }));
    Endpoint::new(&settings).unwrap()
}

fn bearer(seen: &str) -> &str {
    let line = seen
        .lines()
        .find_map(|line| line.strip_prefix("authorization: "));
    line.unwrap_or_default()
}

#[tokio::test]
async fn one_token_serves_many_requests() {
    let (server, tokens) = (
        Server::always(OK).await,
        Server::new(vec![token("token-1", 3600)]).await,
    );
    let endpoint = oauth2(&server, &tokens, ClientStyle::Basic);
    let transport = Arc::new(transport());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (transport, endpoint) = (transport.clone(), endpoint.clone());
            tokio::spawn(async move { send(&transport, &endpoint, &post(&endpoint, "{}")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(tokens.seen().len(), 1);
    let asked = tokens.seen().remove(0);
    assert!(
        asked.starts_with("post /oauth2/token http/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.ends_with("\r\n\r\ngrant_type=client_credentials&scope=orders.write"),
        "{asked}"
    );
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| bearer(seen) == "bearer token-1")
    );
}

#[tokio::test]
async fn id_and_secret_in_the_body() {
    let (server, tokens) = (
        Server::always(OK).await,
        Server::new(vec![token("token-1", 3600)]).await,
    );
    let endpoint = oauth2(&server, &tokens, ClientStyle::Body);
    send(&transport(), &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    let asked = tokens.seen().remove(0);
    assert!(
        asked.ends_with("&client_id=tidegate&client_secret=client-s3cr3t")
            && bearer(&asked).is_empty(),
        "{asked}"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let server = Server::new(vec![closing(401, ""), closing(401, ""), closing(200, "")]).await;
    let tokens = Server::new(vec![token("token-1", 3600), token("token-2", 3600)]).await;
    let endpoint = oauth2(&server, &tokens, ClientStyle::Basic);
    let transport = transport();
    let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let seen = server.seen();
    assert_eq!(
        seen.iter().map(|one| bearer(one)).collect::<Vec<_>>(),
        ["bearer token-1", "bearer token-2"]
    );
}

#[tokio::test]
async fn a_token_at_its_end_is_replaced_but_not_for_each_request() {
    let server = Server::always(OK).await;
    let tokens = Server::new(vec![token("token-1", 0), token("token-2", 3600)]).await;
    let endpoint = oauth2(&server, &tokens, ClientStyle::Basic);
    let (transport, start) = (transport(), Instant::now());
    let mut sent = 0;
    while tokens.seen().len() < 2 {
        assert!(start.elapsed() < PATIENCE);
        send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
        sent += 1;
    }
    // A token that says it has no time at all is used for a second.
    assert!(
        start.elapsed() >= Duration::from_secs(1) && sent > 2,
        "{sent}"
    );
    let seen = server.seen();
    assert_eq!(
        seen.iter()
            .filter(|one| bearer(one) == "bearer token-1")
            .count(),
        sent - 1
    );
    assert_eq!(bearer(&seen[sent - 1]), "bearer token-2");
}

#[tokio::test]
async fn an_endpoint_that_refuses_every_token_gets_no_storm_of_new_ones() {
    let server = Server::new(vec![closing(401, "")]).await;
    let tokens = Server::new(vec![token("token-1", 3600)]).await;
    let endpoint = oauth2(&server, &tokens, ClientStyle::Basic);
    let transport = transport();
    for _ in 0..20 {
        let answer = send(&transport, &endpoint, &post(&endpoint, "{}")).await;
        assert_eq!(answer.unwrap().status, StatusCode::UNAUTHORIZED);
    }
    // One to begin with, and one in its place; the first request alone was sent twice.
    assert_eq!((tokens.seen().len(), server.seen().len()), (2, 21));
}

#[tokio::test]
async fn token_endpoints_that_exhaust() {
    let write = |text: &str| Act::Write(text.as_bytes().to_vec());
    let head = write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let endless = Act::Flood([b"1000\r\n".as_slice(), &[b' '; 4096], b"\r\n"].concat());
    let nested = closing(200, &"[".repeat(60_000));
    let large = closing(
        200,
        &format!(r#"{{"access_token": "{}"}}"#, "x".repeat(20_000)),
    );
    let slow = vec![Act::Read, Act::Drip(b"HTTP/1.1 200 OK\r\n".repeat(100))];
    for script in [vec![Act::Read, head, endless], nested, large, slow] {
        let (failure, asked) = without_token(vec![script]).await;
        assert_eq!(
            (failure.kind, failure.sent, asked),
            (FailureKind::TokenUnavailable, Sent::Nothing, 1)
        );
    }
}

#[tokio::test]
async fn a_secret_in_place_of_an_error_code_is_not_repeated() {
    for answer in [
        r#"{"error": "client-s3cr3t"}"#,
        r#"{"error": "clients3cr3t"}"#,
    ] {
        let (failure, _) = without_token(vec![closing(400, answer)]).await;
        assert_eq!(failure.kind, FailureKind::TokenRefused);
        assert!(!failure.to_string().contains("s3cr3t"), "{failure}");
    }
}

async fn without_token(tokens: Vec<Vec<Act>>) -> (Failure, usize) {
    let (server, tokens) = (Server::always(OK).await, Server::new(tokens).await);
    let endpoint = oauth2(&server, &tokens, ClientStyle::Basic);
    let transport = transport();
    let mut failures = Vec::new();
    for _ in 0..3 {
        let request = Request {
            timeout: Duration::from_millis(500),
            ..post(&endpoint, "{}")
        };
        failures.push(send(&transport, &endpoint, &request).await.unwrap_err());
    }
    assert_eq!(server.seen().len(), 0);
    (failures.pop().unwrap(), tokens.seen().len())
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_nobody_asks_again_at_once() {
    let refusal = r#"{"error": "invalid_client", "error_description": "client-s3cr3t"}"#;
    let (failure, asked) = without_token(vec![closing(401, refusal)]).await;
    assert_eq!(
        (failure.kind, failure.blame()),
        (FailureKind::TokenRefused, Blame::Us)
    );
    assert_eq!((failure.sent, asked), (Sent::Nothing, 1));
    assert!(!failure.to_string().contains("s3cr3t"), "{failure}");

    let (failure, asked) = without_token(vec![closing(503, "")]).await;
    assert_eq!(
        (failure.kind, failure.blame()),
        (FailureKind::TokenUnavailable, Blame::Them)
    );
    assert_eq!(asked, 1);

    let (failure, _) = without_token(vec![vec![Act::Read, Act::Reset]]).await;
    assert_eq!(
        (failure.kind, failure.sent),
        (FailureKind::TokenUnavailable, Sent::Nothing)
    );
}

#[tokio::test]
async fn the_token_endpoint_is_guarded_and_its_redirects_are_not_followed() {
    let inside = Server::new(vec![token("stolen", 60)]).await;
    let moved = format!(
        "HTTP/1.1 302 X\r\nLocation: {}/\r\nContent-Length: 0\r\n\r\n",
        inside.url()
    );
    let (failure, _) = without_token(vec![vec![Act::Read, Act::Write(moved.into_bytes())]]).await;
    assert_eq!(failure.kind, FailureKind::TokenUnavailable);
    assert_eq!(inside.seen().len(), 0);

    let mut settings = settings("https://api.example");
    settings.guard.allow = Vec::new();
    settings.auth = Auth::OAuth2(Box::new(OAuth2Settings {
        token_url: "http://169.254.169.254/latest/api/token".to_owned(),
        client_id: "a".to_owned(),
        client_secret: Secret::new("b"),
        style: ClientStyle::Basic,
        scope: None,
        audience: None,
    }));
    assert!(Endpoint::new(&settings).is_err());
}

async fn with(auth: Auth, signature: Signature, answer: &str) -> (String, Answer) {
    let server = Server::always(answer).await;
    let mut settings = settings(&server.url());
    (settings.auth, settings.signature) = (auth, signature);
    let endpoint = Endpoint::new(&settings).unwrap();
    let transport = Transport::new(TransportSettings {
        clock: || UnixMillis(1_795_255_200_000),
        ..TransportSettings::default()
    });
    let request = Request {
        id: "msg_1".to_owned(),
        ..post(&endpoint, "{}")
    };
    let answer = send(&transport, &endpoint, &request).await.unwrap();
    assert!(!format!("{settings:?} {endpoint:?} {transport:?}").contains("s3cr3t"));
    (server.seen().remove(0), answer)
}

#[tokio::test]
async fn credentials_are_shown() {
    let tokens = vec![Secret::new("bearer-s3cr3t")];
    let (seen, _) = with(
        Auth::Shown(Box::new(Spec::Bearer { tokens })),
        Signature::None,
        OK,
    )
    .await;
    assert_eq!(bearer(&seen), "bearer bearer-s3cr3t");

    let keys = || vec![Secret::new("key-s3cr3t")];
    let place = KeyPlace::Header("x-api-key".parse().unwrap());
    let (seen, _) = with(
        Auth::Shown(Box::new(Spec::ApiKey {
            place,
            keys: keys(),
        })),
        Signature::None,
        OK,
    )
    .await;
    assert!(seen.contains("x-api-key: key-s3cr3t\r\n"), "{seen}");

    let place = KeyPlace::Query("key".into());
    let (seen, _) = with(
        Auth::Shown(Box::new(Spec::ApiKey {
            place,
            keys: keys(),
        })),
        Signature::None,
        OK,
    )
    .await;
    assert!(
        seen.starts_with("post /hook?key=key-s3cr3t http/1.1\r\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_signature_is_verified_by_what_verifies_others() {
    let keys = vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let spec = Spec::StandardWebhooks {
        keys,
        tolerance: DEFAULT_TOLERANCE,
    };
    // The server notes heads in lower case, which a signature does not survive: look at its parts.
    let (seen, _) = with(Auth::None, Signature::Webhook(spec.clone()), OK).await;
    assert!(
        seen.contains("webhook-id: msg_1\r\n")
            && seen.contains("webhook-timestamp: 1795255200\r\n"),
        "{seen}"
    );
    assert!(seen.contains("webhook-signature: v1,"), "{seen}");
    assert!(Verifier::new(&spec).is_ok());
}

#[tokio::test]
async fn aws_signatures_cover_the_host() {
    let signature = Signature::Aws {
        credentials: sigv4::Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("aws-s3cr3t"),
            session_token: Some(Secret::new("session-s3cr3t")),
        },
        scope: sigv4::Scope {
            region: "eu-central-1".to_owned(),
            service: "sqs".to_owned(),
        },
        style: sigv4::Style::default(),
    };
    let (seen, _) = with(Auth::None, signature, OK).await;
    assert!(seen.contains("x-amz-date: 20261121t100000z\r\n"), "{seen}");
    assert!(
        seen.contains("signedheaders=accept-encoding;host;x-amz-date;x-amz-security-token"),
        "{seen}"
    );
}

#[tokio::test]
async fn no_mapping_puts_a_second_proof_beside_ours() {
    let server = Server::always(OK).await;
    let secret = || Secret::new("the-s3cr3t-itself");
    let bearer = Spec::Bearer {
        tokens: vec![secret()],
    };
    let key = Spec::ApiKey {
        place: KeyPlace::Header("x-api-key".parse().unwrap()),
        keys: vec![secret()],
    };
    let webhook = Spec::StandardWebhooks {
        keys: vec![Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        tolerance: DEFAULT_TOLERANCE,
    };
    let aws = Signature::Aws {
        credentials: sigv4::Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: secret(),
            session_token: Some(secret()),
        },
        scope: sigv4::Scope {
            region: "eu-central-1".to_owned(),
            service: "sqs".to_owned(),
        },
        style: sigv4::Style::default(),
    };
    for (auth, signature) in [
        (Auth::Shown(Box::new(bearer)), Signature::None),
        (Auth::Shown(Box::new(key)), Signature::None),
        (Auth::None, Signature::Webhook(webhook)),
        (Auth::None, aws),
    ] {
        let settings = EndpointSettings {
            auth,
            signature,
            ..settings(&server.url())
        };
        let endpoint = Endpoint::new(&settings).unwrap();
        let mut request = post(&endpoint, "{}");
        request.id = "msg_1".to_owned();
        let names = [
            "authorization",
            "x-api-key",
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
            "x-amz-date",
            "x-amz-security-token",
        ];
        for name in names {
            for _ in 0..2 {
                request.headers.append(name, "forged".parse().unwrap());
            }
        }
        send(&transport(), &endpoint, &request).await.unwrap();
        let seen = server.seen().pop().unwrap();
        let of = |name: &str| {
            let start = format!("{name}: ");
            let values = seen.lines().filter_map(|line| line.strip_prefix(&start));
            values.map(str::to_owned).collect::<Vec<_>>()
        };
        let ours = names
            .map(of)
            .into_iter()
            .filter(|values| !values.contains(&"forged".to_owned()));
        let ours: Vec<_> = ours.collect();
        assert!(
            !ours.is_empty() && ours.iter().all(|values| values.len() == 1),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn a_credential_that_comes_back_is_blotted_out() {
    let echo = "HTTP/1.1 500 X\r\nX-Debug: got Bearer bearer-s3cr3t\r\nContent-Length: 26\r\n\r\nno: Bearer bearer-s3cr3t !";
    let tokens = vec![Secret::new("bearer-s3cr3t")];
    let (_, answer) = with(
        Auth::Shown(Box::new(Spec::Bearer { tokens })),
        Signature::None,
        echo,
    )
    .await;
    assert_eq!(answer.headers["x-debug"], "got Bearer [credential]");
    assert_eq!(&answer.body[..], b"no: Bearer [credential] !");
}

#[tokio::test]
async fn a_credential_that_is_cut_off_is_blotted_out() {
    // All but its last byte is within what is kept; and all but the last of a body that breaks off.
    let filling = "x".repeat(16 * 1024 - 12);
    let cut =
        format!("HTTP/1.1 500 X\r\nContent-Length: 30000\r\n\r\n{filling}bearer-s3cr3t{filling}");
    let broken = "HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\nbearer-s3cr3";
    for text in [cut.as_str(), broken] {
        let server = Server::new(vec![vec![Act::Read, Act::Write(text.as_bytes().to_vec())]]).await;
        let mut settings = settings(&server.url());
        let tokens = vec![Secret::new("bearer-s3cr3t")];
        settings.auth = Auth::Shown(Box::new(Spec::Bearer { tokens }));
        let endpoint = Endpoint::new(&settings).unwrap();
        let answer = send(&transport(), &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
        assert!(answer.body.ends_with(b"[credential]"));
        assert_ne!(answer.body_end, BodyEnd::Whole);
    }
}

#[tokio::test]
async fn a_password_that_comes_back_in_clear_text_is_blotted_out() {
    let echo = "HTTP/1.1 401 X\r\nContent-Length: 25\r\n\r\nno: tidegate basic-s3cr3t";
    let spec = Spec::Basic {
        credentials: vec![Credentials {
            user: "tidegate".to_owned(),
            password: Secret::new("basic-s3cr3t"),
        }],
    };
    let (_, answer) = with(Auth::Shown(Box::new(spec)), Signature::None, echo).await;
    assert_eq!(&answer.body[..], b"no: tidegate [credential]");
}
