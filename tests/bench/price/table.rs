//! The table of figures: what was measured, how far it spread, the goal, and whether it is met.

use std::fmt;

/// What a row has to be.
#[derive(Clone, Copy)]
pub enum Goal {
    /// The median, at most.
    AtMost(f64),
    /// The median, at least.
    AtLeast(f64),
    /// The ratio, at most.
    Ratio(f64),
    /// The ratio, at least.
    RatioAtLeast(f64),
}

pub struct Row {
    name: String,
    unit: &'static str,
    figures: Vec<f64>,
    ratio: Option<f64>,
    goal: Option<Goal>,
}

impl Row {
    /// A row of figures that were measured one after the other.
    pub fn new(name: impl Into<String>, unit: &'static str, figures: &[f64]) -> Row {
        let (name, mut figures) = (name.into(), figures.to_vec());
        assert!(
            !figures.is_empty() && figures.iter().all(|f| f.is_finite()),
            "{name} has figures: {figures:?}"
        );
        figures.sort_by(f64::total_cmp);
        Row {
            name,
            unit,
            figures,
            ratio: None,
            goal: None,
        }
    }

    /// Compared with others, round by round: the median of the ratios.
    pub fn compared(mut self, mine: &[f64], others: &[f64]) -> Row {
        let ratios: Vec<f64> = mine.iter().zip(others).map(|(a, b)| a / b).collect();
        self.ratio = Some(median(&ratios));
        self
    }

    pub fn ratio(mut self, ratio: f64) -> Row {
        self.ratio = Some(ratio);
        self
    }

    pub fn goal(mut self, goal: Goal) -> Row {
        self.goal = Some(goal);
        self
    }

    pub fn median(&self) -> f64 {
        median(&self.figures)
    }

    /// Whether the goal is met, if there is one.
    pub fn met(&self) -> Option<bool> {
        let ratio = self.ratio.unwrap_or(f64::NAN);
        Some(match self.goal? {
            Goal::AtMost(limit) => self.median() <= limit,
            Goal::AtLeast(limit) => self.median() >= limit,
            Goal::Ratio(limit) => ratio <= limit,
            Goal::RatioAtLeast(limit) => ratio >= limit,
        })
    }
}

pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    share(&sorted, 0.5)
}

/// The figure below which that share of the sorted ones lies.
pub fn share(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

pub fn print_head() {
    println!(
        "{:<58} {:>10} {:>10} {:>10} {:<6} {:>6}  {:<12}",
        "", "minimum", "median", "maximum", "", "ratio", "goal"
    );
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] =
            [self.figures.first(), self.figures.last()].map(|f| f.copied().unwrap_or(f64::NAN));
        let ratio = self.ratio.map_or(String::new(), |r| format!("{r:.2}"));
        let goal = match self.goal {
            None => String::new(),
            Some(Goal::AtMost(limit)) => format!("<= {}", number(limit)),
            Some(Goal::AtLeast(limit)) => format!(">= {}", number(limit)),
            Some(Goal::Ratio(limit)) => format!("ratio <= {limit}"),
            Some(Goal::RatioAtLeast(limit)) => format!("ratio >= {limit}"),
        };
        let verdict = match self.met() {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        let line = format!(
            "{:<58} {:>10} {:>10} {:>10} {:<6} {ratio:>6}  {goal:<14} {verdict}",
            self.name,
            number(low),
            number(self.median()),
            number(high),
            self.unit
        );
        f.write_str(line.trim_end())
    }
}

/// Three digits that say something, and no more than that behind the point.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
