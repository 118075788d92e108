//! Series whose values are kept elsewhere and asked for at each exposition.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Asks for values at each exposition.
pub(crate) struct Scrape(pub(crate) Box<dyn Fn(&mut Samples<'_>) -> fmt::Result + Send + Sync>);

/// Where the values go.
pub(crate) struct Samples<'a>(DescriptorEncoder<'a>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Samples(encoder))
    }
}

impl Samples<'_> {
    /// A value that only grows; the name gets `_total` behind it.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = ConstCounter::new(value);
        let encoder = self
            .0
            .encode_descriptor(name, help, None, metric.metric_type())?;
        metric.encode(encoder)
    }

    /// A value that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = ConstGauge::new(value);
        let encoder = self
            .0
            .encode_descriptor(name, help, None, metric.metric_type())?;
        metric.encode(encoder)
    }

    /// Values of one name that differ in a label.
    pub(crate) fn gauges<'l>(
        &mut self,
        (name, help): (&str, &str),
        label: &'l str,
        values: impl IntoIterator<Item = (&'l str, f64)>,
    ) -> fmt::Result {
        let kind = ConstGauge::new(0.0).metric_type();
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (value_of_label, value) in values {
            let labels = [(label, value_of_label)];
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A histogram: cumulative counts by upper bound, the last one infinite, and the sum.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        buckets: &[(f64, u64)],
        sum: f64,
    ) -> fmt::Result {
        let kind = prometheus_client::metrics::MetricType::Histogram;
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        // The encoder adds the counts up itself.
        let mut before = 0;
        let own: Vec<(f64, u64)> = buckets
            .iter()
            .map(|(bound, count)| {
                let own = count.saturating_sub(before);
                before = *count;
                (*bound, own)
            })
            .collect();
        encoder.encode_histogram::<prometheus_client::encoding::NoLabelSet>(sum, before, &own, None)
    }
}
