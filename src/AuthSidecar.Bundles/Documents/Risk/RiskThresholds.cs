namespace AuthSidecar.Bundles;

/// <summary>Where levels begin, and what is recommended from where on. Scores from 0 to 100.</summary>
/// <param name="Medium">Where medium begins.</param>
/// <param name="High">Where high begins.</param>
/// <param name="Critical">Where critical begins.</param>
/// <param name="StepUpAt">From where on a step-up is recommended.</param>
/// <param name="DenyAt">From where on a denial is recommended.</param>
/// <param name="RequireAllTrusted">Whether a single factor that is not trusted is enough to ask for a step-up.</param>
internal sealed record RiskThresholds(
    int Medium = 25,
    int High = 50,
    int Critical = 80,
    int StepUpAt = 50,
    int DenyAt = 80,
    bool RequireAllTrusted = true);
