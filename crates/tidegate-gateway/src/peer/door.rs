//! Giving the own log, and what is here of other regions' logs, to those who may have it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use tidegate_core::log::engine::{Bounds, LogReader, ReadError};
use tidegate_core::log::frame::Frame;
use tidegate_core::mirror::message::{MEDIA_TYPE, encode};
use tidegate_core::mirror::{Answer, Span};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_types::position::FrameNumber;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::asked::Asked;
use super::client::host_of;
use super::settings::PeerSettings;
use super::{PATH, told};
use crate::http::{Handler, Peer, PeerIdentity, ReplyBody};

/// Questions of one region at a time: the one it waits for, and one it has given up on and we have not noticed.
const QUESTIONS_MAX: usize = 2;

/// Says which region answers.
const REGION: HeaderName = HeaderName::from_static("tidegate-region");

/// Answers the other regions.
pub(super) struct Door {
    region: String,
    hub: Arc<Hub>,
    guests: BTreeMap<String, Guest>,
    /// Regions prove who they are.
    secured: bool,
    going_down: watch::Receiver<bool>,
}

/// A region that may ask.
struct Guest {
    /// What its certificate must be for.
    host: String,
    questions: Semaphore,
    /// Whether its copy of our log differs from our log, so that it is told once.
    differs: Mutex<bool>,
}

/// Why there is no answer.
enum Refused {
    NotFound,
    Method,
    Malformed(String),
    /// The region is not in the configuration.
    Unknown(String),
    /// The certificate is not for the region.
    Identity(String),
    Busy,
    Unreadable,
}

impl Door {
    pub(super) fn new(
        settings: &PeerSettings,
        secured: bool,
        hub: Arc<Hub>,
        going_down: watch::Receiver<bool>,
    ) -> Self {
        let guests = settings.regions.iter().filter_map(|region| {
            let uri: Uri = region.url.parse().ok()?;
            let guest = Guest {
                host: host_of(&uri)?,
                questions: Semaphore::new(QUESTIONS_MAX),
                differs: Mutex::default(),
            };
            Some((region.name.clone(), guest))
        });
        Self {
            region: settings.region.clone(),
            guests: guests.collect(),
            hub,
            secured,
            going_down,
        }
    }

    async fn answer(
        &self,
        request: &Request<Incoming>,
        peer: &Peer,
    ) -> Result<Response<ReplyBody>, Refused> {
        if request.uri().path() != PATH {
            return Err(Refused::NotFound);
        }
        if request.method() != Method::GET {
            return Err(Refused::Method);
        }
        let asked = Asked::parse(request.uri().query().unwrap_or_default())
            .map_err(|error| Refused::Malformed(error.to_string()))?;
        let guest = self.guest(&asked.from, peer)?;
        let _question = guest.questions.try_acquire().map_err(|_| Refused::Busy)?;
        let origin = asked.origin.clone().filter(|it| *it != self.region);
        let answer = match origin {
            None => self.own(&asked, guest).await?,
            Some(origin) => self.mirrored(origin, asked).await?,
        };
        let mut response = Response::new(ReplyBody::from(encode(&answer)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(region) = HeaderValue::try_from(self.region.as_str()) {
            headers.insert(REGION, region);
        }
        Ok(response)
    }

    /// The region that asks, if it is one of ours and, where regions prove themselves, has done so.
    fn guest(&self, from: &str, peer: &Peer) -> Result<&Guest, Refused> {
        let guest = self.guests.get(from);
        let guest = guest.ok_or_else(|| Refused::Unknown(from.to_owned()))?;
        let proven = peer
            .identity
            .as_ref()
            .is_some_and(|it| is_for(it, &guest.host));
        if self.secured && !proven {
            return Err(Refused::Identity(from.to_owned()));
        }
        Ok(guest)
    }

    /// Frames of the own log, as soon as there are some.
    async fn own(&self, asked: &Asked, guest: &Guest) -> Result<Answer, Refused> {
        let begun = Instant::now();
        self.take_note(asked, guest).await?;
        let mut head = self.hub.head();
        let mut going_down = self.going_down.clone();
        let more = async {
            let behind = |head: &tidegate_core::log::engine::Head| {
                asked.incarnation != Some(head.incarnation) || head.frame != asked.after
            };
            // An error means that the hub is closed: answer with what there is.
            head.wait_for(behind).await.ok();
        };
        tokio::select! {
            () = more => {}
            _ = going_down.wait_for(|down| *down) => {}
            () = tokio::time::sleep(asked.wait) => {}
        }
        let waited = begun.elapsed();
        let reader = self.hub.reader();
        let asked = asked.clone();
        let read = blocking(move || {
            let bounds = reader.bounds();
            let span = span(&bounds, false);
            Ok((vec![span], frames(&*reader, &bounds, &asked)?))
        });
        let (spans, frames) = read.await?;
        Ok(Answer {
            spans,
            time: now(),
            waited,
            frames,
        })
    }

    /// What is here of another region's log, for a region that lost its own or has less of it.
    async fn mirrored(&self, origin: String, asked: Asked) -> Result<Answer, Refused> {
        let mirror = self.hub.mirrors().of(&origin);
        let read = blocking(move || {
            let Some(mirror) = mirror else {
                return Ok((Vec::new(), Vec::new()));
            };
            let spans = mirror.spans();
            let life = asked.incarnation.and_then(|it| mirror.life(it));
            let frames = match life {
                None => Vec::new(),
                Some(life) => frames(&*life.reader, &life.reader.bounds(), &asked)?,
            };
            Ok((spans, frames))
        });
        let (spans, frames) = read.await?;
        Ok(Answer {
            spans,
            time: now(),
            waited: std::time::Duration::ZERO,
            frames,
        })
    }

    /// What the question says about the copy of who asks: it confirms what is the same there, and shows
    /// what is not.
    async fn take_note(&self, asked: &Asked, guest: &Guest) -> Result<(), Refused> {
        let (Some(incarnation), Some(hash)) = (asked.incarnation, asked.hash) else {
            return Ok(());
        };
        let reader = self.hub.reader();
        let after = asked.after;
        let compared = blocking(move || {
            let bounds = reader.bounds();
            if bounds.incarnation != incarnation {
                return Ok(Compared::Unknown);
            }
            Ok(compare(&*reader, &bounds, after, hash))
        });
        let compared = compared.await?;
        let mut differs = guest.differs.lock().unwrap_or_else(PoisonError::into_inner);
        match compared {
            Compared::Same => {
                self.hub.remote().confirmed(&asked.from, after);
                *differs = false;
            }
            Compared::Unknown => {}
            Compared::Other(what) => {
                self.hub.remote().confirmed(&asked.from, FrameNumber(0));
                if !std::mem::replace(&mut *differs, true) {
                    told::regressed(&self.hub, &asked.from, &what);
                }
            }
        }
        Ok(())
    }
}

/// How a copy compares with the log.
enum Compared {
    Same,
    /// The frame is not here any more, or of another life.
    Unknown,
    Other(String),
}

fn compare(
    reader: &dyn LogReader,
    bounds: &Bounds,
    after: FrameNumber,
    hash: tidegate_core::log::FrameHash,
) -> Compared {
    let head = &bounds.head;
    if after > head.frame {
        let frame = head.frame;
        return Compared::Other(format!(
            "it ends at frame {after}, the log at frame {frame}"
        ));
    }
    if after == head.frame {
        return if hash == head.hash {
            Compared::Same
        } else {
            Compared::Other(format!("its frame {after} is another one"))
        };
    }
    // The hash of a frame is what the next one names.
    match reader.read(after.next(), 1) {
        Ok(frames) => match frames.first() {
            Some(next) if next.header().prev == hash => Compared::Same,
            Some(_) => Compared::Other(format!("its frame {after} is another one")),
            None => Compared::Unknown,
        },
        Err(_) => Compared::Unknown,
    }
}

fn span(bounds: &Bounds, ended: bool) -> Span {
    Span {
        first: bounds.first,
        head: bounds.head,
        ended,
    }
}

/// The frames that were asked for, up to the head of `bounds`.
fn frames(reader: &dyn LogReader, bounds: &Bounds, asked: &Asked) -> Result<Vec<Frame>, Refused> {
    let known = asked.incarnation == Some(bounds.incarnation);
    if !known || asked.after >= bounds.head.frame {
        return Ok(Vec::new());
    }
    let from = asked.after.next();
    if from < bounds.first {
        // The lives say where it begins now.
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut next = from;
    while next <= bounds.head.frame && (found.is_empty() || bytes < asked.bytes_max) {
        let left = asked.bytes_max.saturating_sub(bytes).max(1);
        let read = match reader.read(next, left) {
            Ok(read) if read.is_empty() => break,
            Ok(read) => read,
            Err(ReadError::Trimmed { .. }) => return Ok(Vec::new()),
            // What stands before the damage is given.
            Err(_) if !found.is_empty() => break,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "frames for another region cannot be read"
                );
                return Err(Refused::Unreadable);
            }
        };
        for frame in read {
            if frame.number() > bounds.head.frame {
                return Ok(found);
            }
            bytes += frame.bytes().len();
            next = frame.number().next();
            found.push(frame);
        }
    }
    Ok(found)
}

/// Whether a certificate is for the host of a region. A host that is an address has no name to prove.
fn is_for(identity: &PeerIdentity, host: &str) -> bool {
    let mut names = identity.dns_names.iter();
    names.any(|name| name.eq_ignore_ascii_case(host))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(Refused::Unreadable))
}

impl Handler for Door {
    async fn call(&self, request: Request<Incoming>, peer: &Peer) -> Response<ReplyBody> {
        match self.answer(&request, peer).await {
            Ok(response) => response,
            Err(refused) => refused.response(peer),
        }
    }
}

impl Refused {
    fn response(self, peer: &Peer) -> Response<ReplyBody> {
        let (status, text) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "nothing is here\n".to_owned()),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
            Self::Malformed(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")),
            Self::Unknown(region) => {
                tracing::warn!(
                    peer.address = %peer.address,
                    peer.region = region,
                    "a region that is not in the configuration was refused"
                );
                (
                    StatusCode::FORBIDDEN,
                    "the region is not known here\n".to_owned(),
                )
            }
            Self::Identity(region) => {
                let subject = peer.identity.as_ref().map(|it| it.subject.as_str());
                tracing::warn!(
                    peer.address = %peer.address,
                    peer.region = region,
                    peer.subject = subject.unwrap_or_default(),
                    "a caller was refused whose certificate is not for the host of the region it names"
                );
                let text = "the certificate is not for that region\n".to_owned();
                (StatusCode::FORBIDDEN, text)
            }
            Self::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many questions at a time\n".to_owned(),
            ),
            Self::Unreadable => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the log cannot be read\n".to_owned(),
            ),
        };
        let mut response = Response::new(ReplyBody::from(text));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
