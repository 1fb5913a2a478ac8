//! Workflows that come with Gorgon. A file of the user's that has the same name takes the place of one.

/// A workflow that comes with Gorgon.
pub(crate) struct Shipped {
    /// As a file of it would be called.
    pub(crate) stem: &'static str,
    pub(crate) text: &'static str,
}

/// All of them.
pub(crate) const ALL: [Shipped; 3] = [
    Shipped { stem: "analytics_pipeline", text: include_str!("../../../assets/workflows/analytics_pipeline.yaml") },
    Shipped { stem: "dev_workflow_plan_build_test_review", text: include_str!("../../../assets/workflows/dev_workflow_plan_build_test_review.yaml") },
    Shipped { stem: "security-audit", text: include_str!("../../../assets/workflows/security-audit.yaml") },
];

/// The one that is called so, by stem or by name.
pub(crate) fn find(said: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|shipped| shipped.stem == said || shipped.text.lines().next().is_some_and(|line| line.strip_prefix("name: ") == Some(said)))
}
