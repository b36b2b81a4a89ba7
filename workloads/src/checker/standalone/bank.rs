//! Jepsen's `bank`: transfers move money, and neither make nor destroy it.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness};
use crate::history::recorded::{Datum, Function, Outcome, Recorded, View};
use std::collections::BTreeSet;

/// Every read shows all accounts, with whole balances that sum up to the total; and none is negative, unless the
/// model says that accounts may be. Total and accounts are those of the first read.
#[derive(Debug)]
pub(super) struct Bank;

impl StandaloneChecker for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn about(&self) -> &'static str {
        "every read shows the same accounts and the same total (Jepsen's rules)"
    }

    fn models(&self) -> &'static [&'static str] {
        &["non-negative", "negative-balances"]
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let mut audit = Audit::new(history, options.model == Some("negative-balances"));
        let reads = history.operations.iter().enumerate();
        let reads = reads.filter(|(_, op)| op.function == Function::READ && op.outcome == Outcome::Ok);
        for (at, op) in reads {
            match history.values.view(op.output) {
                View::Map(_) => audit.read(at, op.output),
                View::Nil => audit.nothing += 1,
                _ => {
                    return Err(Unfit {
                        event: Some(op.completed),
                        what: format!("a read shows `{}`", history.values.show(op.output)),
                        expected: "the checker `bank` expects a map from account to balance".to_owned(),
                    });
                }
            }
        }
        Ok(audit.into_findings())
    }
}

struct Audit<'a> {
    history: &'a Recorded,
    may_be_negative: bool,
    /// The accounts, and the sum of their balances, once a read has shown them.
    expected: Option<(BTreeSet<Datum>, i128)>,
    reads: u64,
    nothing: u64,
    wrong_total: FoundAnomaly,
    unexpected_key: FoundAnomaly,
    nil_balance: FoundAnomaly,
    negative: FoundAnomaly,
}

impl<'a> Audit<'a> {
    const fn new(history: &'a Recorded, may_be_negative: bool) -> Self {
        Self {
            history,
            may_be_negative,
            expected: None,
            reads: 0,
            nothing: 0,
            wrong_total: FoundAnomaly::new("wrong-total"),
            unexpected_key: FoundAnomaly::new("unexpected-key"),
            nil_balance: FoundAnomaly::new("nil-balance"),
            negative: FoundAnomaly::new("negative-value"),
        }
    }

    fn read(&mut self, at: usize, balances: Datum) {
        let values = &self.history.values;
        self.reads += 1;
        let (mut sum, mut odd) = (0_i128, None);
        for (account, balance) in values.entries(balances) {
            match values.as_int(balance) {
                Some(balance) => {
                    sum += i128::from(balance);
                    if balance < 0 && !self.may_be_negative {
                        self.negative.add(|| Witness {
                            why: format!("account {} shows {balance}", values.show(account)),
                            operations: vec![at],
                        });
                    }
                }
                None => odd = Some((account, balance)),
            }
        }
        if let Some((account, balance)) = odd {
            self.nil_balance.add(|| Witness {
                why: format!(
                    "account {} shows {}, which is no balance",
                    values.show(account),
                    values.show(balance)
                ),
                operations: vec![at],
            });
            return;
        }
        let accounts = || values.entries(balances).map(|entry| entry.0);
        let (expected, total) = self.expected.get_or_insert_with(|| (accounts().collect(), sum));
        if let Some(account) = accounts().find(|account| !expected.contains(account)) {
            self.unexpected_key.add(|| Witness {
                why: format!(
                    "a read shows the account {}, which the first read does not",
                    values.show(account)
                ),
                operations: vec![at],
            });
        } else if sum != *total {
            self.wrong_total.add(|| Witness {
                why: format!("the balances sum up to {sum}, and to {total} in the first read"),
                operations: vec![at],
            });
        }
    }

    fn into_findings(self) -> Findings {
        let mut findings = Findings::default();
        findings.figure("reads", self.reads);
        match self.expected {
            Some((accounts, total)) => {
                findings.figure("accounts", accounts.len());
                findings.notes.push(format!("the total of the first read is {total}"));
            }
            None if self.nil_balance.count == 0 => findings.unknown("no read showed a balance"),
            None => {}
        }
        if self.nothing > 0 {
            findings
                .notes
                .push(format!("{} answered reads show nothing at all, and were passed over", self.nothing));
        }
        for anomaly in [self.wrong_total, self.unexpected_key, self.nil_balance, self.negative] {
            findings.fail(anomaly);
        }
        findings
    }
}
