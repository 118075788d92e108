//! A flow that delivers, compiled.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use tidegate_config::Config;
use tidegate_config::config::{self, AnswerClass, Deliver, System};
use tidegate_core::deliver::{
    Batch, BreakerSettings, Class, Classification, InvalidSchedule, OnFault, Order, Rate, Rule,
    Schedule, Settings,
};
use tidegate_map::{Filter, RequestMapping};

use crate::gateway::CompileFailure;
use crate::metrics::Metrics;
use crate::metrics::deliver::DeliverMetrics;
use crate::outbound::auth::Signature;
use crate::outbound::{Endpoint, EndpointError, InvalidCidr, aws_signature, configured};

/// A flow that delivers.
#[derive(Debug)]
pub(crate) struct DeliverFlow {
    pub(crate) config: Deliver,
    /// The system as it stands in the configuration, to see whether the endpoint must be made anew.
    system: System,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) settings: Settings,
    pub(crate) filter: Option<Filter>,
    pub(crate) mapping: Arc<RequestMapping>,
    pub(crate) method: Method,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) idempotency_header: HeaderName,
    pub(crate) metrics: DeliverMetrics,
}

/// Why the endpoint of a flow cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointProblem {
    /// Its address, certificates or credentials.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A range of addresses.
    #[error(transparent)]
    Range(#[from] InvalidCidr),
    /// The retry schedule.
    #[error(transparent)]
    Schedule(#[from] InvalidSchedule),
    /// The rules for statuses.
    #[error(transparent)]
    Rules(#[from] tidegate_core::deliver::classify::TooManyRules),
    /// A header.
    #[error("a header name, media type or method cannot be sent")]
    Header,
}

impl DeliverFlow {
    pub(super) fn compile(
        config: &Config,
        flow: &Deliver,
        folder: &Path,
        metrics: &Metrics,
        before: &[Arc<Self>],
    ) -> Result<Self, CompileFailure> {
        let failed = |problem: EndpointProblem| CompileFailure::Deliver {
            flow: flow.name.clone(),
            source: Box::new(problem),
        };
        let expression = |what: &str, problems| CompileFailure::Expression {
            place: format!("flow {}, {what}", flow.name),
            problems,
        };
        let system = config.systems.iter().find(|it| it.name == flow.system);
        let system = system.ok_or_else(|| failed(EndpointProblem::Header))?;
        let filter = flow.when.as_deref().map(Filter::compile).transpose();
        let filter = filter.map_err(|problems| expression("when", problems))?;
        let mapping = RequestMapping::compile(&flow.request).map_err(|problems| {
            let problems = problems.into_iter().map(|(_, problem)| problem).collect();
            expression("request", problems)
        })?;
        let kept = before.iter().find(|it| it.has_same_endpoint(flow, system));
        let endpoint = match kept {
            Some(kept) => Arc::clone(&kept.endpoint),
            None => endpoint(flow, system, folder).map_err(failed)?,
        };
        Ok(Self {
            endpoint,
            settings: settings(flow).map_err(failed)?,
            filter,
            mapping: Arc::new(mapping),
            method: Method::from_bytes(flow.method.as_bytes())
                .map_err(|_| failed(EndpointProblem::Header))?,
            content_type: match &flow.content_type {
                None => None,
                Some(text) => {
                    Some(HeaderValue::from_str(text).map_err(|_| failed(EndpointProblem::Header))?)
                }
            },
            idempotency_header: HeaderName::try_from(flow.idempotency_header.as_str())
                .map_err(|_| failed(EndpointProblem::Header))?,
            metrics: metrics.deliver(&flow.name, &flow.system),
            system: system.clone(),
            config: flow.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Connections and tokens belong to an endpoint, so it is kept as long as nothing of it changes.
    /// Files of certificates may have changed, so an endpoint with any is made anew at each reload.
    fn has_same_endpoint(&self, flow: &Deliver, system: &System) -> bool {
        let tls = &system.calling.tls;
        tls.ca.is_none()
            && tls.identity.is_none()
            && self.system == *system
            && self.config.name == flow.name
            && self.config.url == flow.url
            && self.config.target == flow.target
            && self.config.sign == flow.sign
            && self.config.concurrency == flow.concurrency
    }
}

fn endpoint(
    flow: &Deliver,
    system: &System,
    folder: &Path,
) -> Result<Arc<Endpoint>, EndpointProblem> {
    let mut settings = configured(&flow.url, system, folder)?;
    settings.signature = signature(flow);
    // Room for a token besides.
    settings.connections_max = usize::try_from(flow.concurrency)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    Ok(Endpoint::new(&settings)?)
}

fn signature(flow: &Deliver) -> Signature {
    match &flow.sign {
        None => Signature::None,
        Some(config::Sign::Webhook(spec)) => Signature::Webhook(spec.as_ref().clone()),
        Some(config::Sign::Aws(key)) => aws_signature(key),
    }
}

fn settings(flow: &Deliver) -> Result<Settings, EndpointProblem> {
    let rules = flow.classify.iter().map(|rule| Rule {
        statuses: rule.first..=rule.last,
        class: class(rule.class),
    });
    let breaker = &flow.breaker;
    Ok(Settings {
        order: match flow.order {
            config::Order::PerKey => Order::PerKey,
            config::Order::None => Order::None,
            config::Order::Total => Order::Total,
        },
        on_fault: if flow.skip_faults {
            OnFault::Skip
        } else {
            OnFault::BlockKey
        },
        schedule: Schedule::new(flow.schedule.clone())?,
        classification: Classification::new(rules.collect())?,
        breaker: BreakerSettings {
            failures_in_a_row: breaker.failures,
            answers_min: breaker.answers,
            failures_percent: breaker.percent,
            window: breaker.window,
            open_min: breaker.open_min,
            open_max: breaker.open_max,
        },
        concurrency: flow.concurrency,
        rate: flow.rate.map(|rate| Rate {
            every: rate.every,
            burst: rate.burst,
        }),
        batch: flow.batch.map(|batch| Batch {
            events_max: batch.events,
            bytes_max: batch.bytes,
            wait: batch.wait,
        }),
        retry_after_max: flow.retry_after_max,
        ..Settings::new(&flow.name, &flow.endpoint)
    })
}

const fn class(class: AnswerClass) -> Class {
    match class {
        AnswerClass::Delivered => Class::Delivered,
        AnswerClass::Retry => Class::Retry,
        AnswerClass::Reject => Class::Reject,
        AnswerClass::EndpointDown => Class::EndpointDown,
        AnswerClass::Throttle => Class::Throttle,
        AnswerClass::Gone => Class::Gone,
    }
}
