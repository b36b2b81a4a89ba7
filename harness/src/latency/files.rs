//! The formats of HdrHistogram's plotters: interval logs, and tables of percentiles.

use super::{
    metric::{Latencies, histogram_of},
    observe::Value,
    outcome::COMPARED,
    slug,
};
use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, Tag},
    },
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::{Duration, SystemTime},
};

/// The length of an interval, nanoseconds.
const INTERVAL_NS: i64 = 1_000_000_000;
/// Plotters expect milliseconds where the histograms count nanoseconds.
const NS_PER_MS: f64 = 1e6;
/// Lines of a table of percentiles for every halving of what is left, as HdrHistogram's own tables have.
const TICKS_PER_HALF: u32 = 5;

/// One second of one metric of one setup.
#[derive(Debug)]
pub(super) struct Interval {
    tag: String,
    /// Nanoseconds of the machine's monotonic clock.
    from: i64,
    values: Vec<u64>,
}

/// The seconds of the metrics that are kept as intervals.
pub(super) fn intervals(setup: &str, values: &BTreeMap<String, Vec<Value>>) -> Vec<Interval> {
    let mut all = Vec::new();
    for metric in COMPARED {
        let mut seconds: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for value in values.get(metric).into_iter().flatten() {
            seconds.entry(value.at.div_euclid(INTERVAL_NS)).or_default().push(value.ns);
        }
        let tag = format!("{}.{metric}", slug(setup));
        all.extend(seconds.into_iter().map(|(second, values)| Interval {
            tag: tag.clone(),
            from: second * INTERVAL_NS,
            values,
        }));
    }
    all
}

/// Writes an interval log: one line for each second of each metric, tagged with setup and metric.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn write_intervals(path: &Path, mut intervals: Vec<Interval>) -> io::Result<()> {
    intervals.sort_by(|a, b| a.from.cmp(&b.from).then_with(|| a.tag.cmp(&b.tag)));
    let first = intervals.first().map_or(0, |interval| interval.from);
    let length = intervals.last().map_or(0, |interval| interval.from) - first + INTERVAL_NS;
    let mut out = BufWriter::new(File::create(path)?);
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("quarrel latency: nanoseconds; a tag is setup and metric")
        .with_start_time(SystemTime::now() - since(length))
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(&mut out, &mut serializer)
        .map_err(io::Error::other)?;
    for interval in intervals {
        let histogram = histogram_of(interval.values);
        let tag = Tag::new(&interval.tag);
        log.write_histogram(&histogram, since(interval.from - first), since(INTERVAL_NS), tag)
            .map_err(io::Error::other)?;
    }
    drop(log);
    out.flush()
}

fn since(ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

/// Writes a table of percentiles for each metric: `<setup>.<metric>.hgrm`.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_percentiles(folder: &Path, setup: &str, latencies: &Latencies) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (metric, series) in latencies {
        let path = folder.join(format!("{}.{}.hgrm", slug(setup), metric.replace('@', "-")));
        let mut out = BufWriter::new(File::create(path)?);
        write_table(&series.merged, &mut out)?;
        out.flush()?;
    }
    Ok(())
}

/// The table that HdrHistogram prints and its plotter reads, in milliseconds.
fn write_table(histogram: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_PER_MS;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value:>12.3} {quantile:>2.12} {total:>10}")?;
        if quantile < 1.0 {
            write!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    writeln!(out, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]")?;
    let (most, count) = (histogram.max() as f64 / NS_PER_MS, histogram.len());
    writeln!(out, "#[Max     = {most:>12.3}, Total count    = {count:>12}]")?;
    writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", histogram.buckets(), 2048)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };

    #[test]
    fn a_table_of_percentiles_is_what_hdrhistogram_prints() {
        let mut out = Vec::new();
        write_table(&histogram_of((1..=100).map(|ms| ms * 1_000_000)), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn an_interval_log_reads_back_as_it_was_measured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.hlog");
        let value = |at, ns| Value { at, ns };
        let ring = [
            value(5_100_000_000, 2_000_000),
            value(5_200_000_000, 4_000_000),
            value(7_000_000_001, 6_000_000),
        ];
        let values = BTreeMap::from([
            ("write.ack".to_owned(), ring.to_vec()),
            ("write.ack@partition".to_owned(), vec![value(6_000_000_000, 1)]),
        ]);
        write_intervals(&path, intervals("ring x3", &values)).unwrap();
        let text = fs::read(&path).unwrap();
        let mut read = Vec::new();
        for entry in IntervalLogIterator::new(&text) {
            let LogEntry::Interval(interval) = entry.unwrap() else { continue };
            let bytes = base64(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            let tag = interval.tag().unwrap().as_str().to_owned();
            read.push((
                tag,
                interval.start_timestamp().as_secs(),
                histogram.len(),
                histogram.max() / 1_000_000,
            ));
        }
        let tag = "ring-x3.write.ack".to_owned();
        assert_eq!(read, [(tag.clone(), 0, 2, 4), (tag, 2, 1, 6)]);
    }

    /// What the log's last column says; the crate leaves that to its reader.
    fn base64(text: &str) -> Vec<u8> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
        for c in text.bytes().filter(|c| *c != b'=') {
            let digit = ALPHABET.iter().position(|known| *known == c).unwrap();
            bits = (bits << 6) | u32::try_from(digit).unwrap();
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
            }
        }
        bytes
    }
}
