//! What is shown of settings, endpoints, requests and outcomes, and written to the log at the finest level
//! of every library, while everything goes wrong.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_gateway::outbound::auth::{Auth, ClientStyle, OAuth2Settings, Signature};
use tidegate_gateway::outbound::{Endpoint, EndpointSettings, ProxySettings, Request};
use tidegate_types::secret::Secret;
use tidegate_wire::signature::{Credentials, KeyPlace, Spec};
use tidegate_wire::sigv4;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Act, OK, Server, post, send, settings, transport};

/// Every secret of these tests has this in it.
const MARK: &str = "s3cr3t";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Settings for each kind of secret there is.
fn proven(url: &str, tokens: &Server, proxy: &Server) -> Vec<EndpointSettings> {
    let secret = || Secret::new("the-s3cr3t-itself");
    let shown = |spec| Auth::Shown(Box::new(spec));
    let auths = [
        shown(Spec::Bearer {
            tokens: vec![secret()],
        }),
        shown(Spec::Basic {
            credentials: vec![Credentials {
                user: "tidegate".to_owned(),
                password: secret(),
            }],
        }),
        shown(Spec::ApiKey {
            place: KeyPlace::Query("key".into()),
            keys: vec![secret()],
        }),
        shown(Spec::ApiKey {
            place: KeyPlace::Header("x-api-key".parse().unwrap()),
            keys: vec![secret()],
        }),
        Auth::OAuth2(Box::new(OAuth2Settings {
            token_url: tokens.url(),
            client_id: "tidegate".to_owned(),
            client_secret: secret(),
            style: ClientStyle::Body,
            scope: None,
            audience: None,
        })),
    ];
    let mut all: Vec<EndpointSettings> = auths
        .into_iter()
        .map(|auth| EndpointSettings {
            auth,
            ..settings(url)
        })
        .collect();
    all.push(EndpointSettings {
        signature: Signature::Aws {
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
        },
        ..settings(url)
    });
    all.push(EndpointSettings {
        proxy: Some(ProxySettings {
            url: proxy.url(),
            credentials: Some(("tidegate".to_owned(), secret())),
        }),
        ..EndpointSettings::new("https://partner.example")
    });
    all
}

#[tokio::test]
async fn no_secret_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace"))
        .with_writer(log.clone())
        .finish();
    // For every thread: connections are driven by tasks of their own.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let token = r#"{"access_token": "a-s3cr3t-token", "expires_in": 60}"#;
    let length = token.len();
    let token = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{token}");
    let write = |text: &str| Act::Write(text.as_bytes().to_vec());
    let scripts = [
        vec![Act::Read, write(OK)],
        vec![Act::Read, Act::Echo],
        vec![Act::Read, write("nonsense\r\n\r\n")],
        vec![Act::Read, Act::Reset],
        vec![Act::Read, Act::Hang],
        vec![Act::Reset],
    ];
    let proxy = Server::new(vec![vec![Act::Read, write("HTTP/1.1 407 X\r\n\r\n")]]).await;
    let mut told: Vec<String> = Vec::new();
    for script in scripts {
        for tokens in [write(&token), Act::Echo] {
            let server = Server::new(vec![script.clone()]).await;
            let tokens = Server::new(vec![vec![Act::Read, tokens]]).await;
            for settings in proven(&server.url(), &tokens, &proxy) {
                let endpoint = Endpoint::new(&settings).unwrap();
                let request = Request {
                    timeout: Duration::from_millis(100),
                    ..post(&endpoint, "{}")
                };
                let transport = transport();
                let outcome = send(&transport, &endpoint, &request).await;
                told.push(format!(
                    "{settings:?} {endpoint:?} {transport:?} {request:?} {outcome:?}"
                ));
                told.extend(outcome.err().map(|failure| failure.to_string()));
            }
        }
    }
    tracing::error!("the end of the log");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // That it was kept at all.
    assert!(log.contains("the end of the log"));
    for text in [log, told.join("\n")] {
        let line = text.lines().find(|line| line.contains(MARK));
        assert_eq!(line, None);
        // In base64, as Basic has it.
        assert!(!text.contains("dGlkZWdhdGU6dGhlLXMzY3IzdC1pdHNlbGY"));
    }
}
