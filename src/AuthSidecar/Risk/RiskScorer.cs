using AuthSidecar.Risk.Factors;

namespace AuthSidecar.Risk;

internal enum RiskLevel
{
    // The default is the worst.
    Critical = 0,
    High,
    Medium,
    Low,
}

/// <summary>One factor of a risk.</summary>
/// <param name="Name">Which factor.</param>
/// <param name="Value">What was seen.</param>
/// <param name="Weight">The most it can contribute.</param>
/// <param name="Contribution">What it contributes: 0 to the weight.</param>
/// <param name="Explanation">Why.</param>
/// <param name="IsTrusted">Whether what was seen counts as trusted.</param>
internal sealed record RiskFactor(string Name, string Value, int Weight, int Contribution, string Explanation, bool IsTrusted)
{
    /// <summary>A factor that contributes a share of its weight: the severity, 0 to 1.</summary>
    public static RiskFactor Of(string name, string value, int weight, double severity, string explanation, bool isTrusted) =>
        new(name, value, weight, (int)Math.Round(weight * Math.Clamp(severity, 0, 1), MidpointRounding.AwayFromZero), explanation,
            isTrusted);
}

/// <summary>A score, and the factors whose contributions sum to it.</summary>
internal sealed record RiskAssessment(int Score, RiskLevel Level, Decision Recommended, IReadOnlyList<RiskFactor> Factors);

/// <summary>Scores an access: additive, explained, and a pure function of its input.</summary>
internal static class RiskScorer
{
    private const int MaxScore = 100;

    public static RiskAssessment Score(RiskInput input)
    {
        var factors = ScaleToMax(
        [
            DeviceFactor.Evaluate(input),
            NetworkFactor.Evaluate(input),
            LocationFactor.Evaluate(input),
            TravelFactor.Evaluate(input),
            VelocityFactor.Evaluate(input),
            FailuresFactor.Evaluate(input),
            TimeFactor.Evaluate(input),
            ActionFactor.Evaluate(input),
        ]);
        var score = factors.Sum(f => f.Contribution);
        var thresholds = input.Settings.Thresholds;
        return new RiskAssessment(
            score, LevelOf(score, thresholds), Recommend(score, factors, thresholds), [.. factors.OrderByDescending(f => f.Contribution)]);
    }

    /// <summary>Where the contributions sum to more than 100, each is cut in proportion, rounded down, and what the rounding lost goes back
    /// to the largest: so the sum is the score to the point, and no factor gains.</summary>
    private static RiskFactor[] ScaleToMax(RiskFactor[] factors)
    {
        var sum = factors.Sum(f => f.Contribution);
        if (sum <= MaxScore)
            return factors;

        var scaled = factors.Select(f => f with { Contribution = f.Contribution * MaxScore / sum }).ToArray();
        var lost = MaxScore - scaled.Sum(f => f.Contribution);
        foreach (var index in Enumerable.Range(0, factors.Length).OrderByDescending(i => factors[i].Contribution).Take(lost))
            scaled[index] = scaled[index] with { Contribution = scaled[index].Contribution + 1 };

        return scaled;
    }

    private static RiskLevel LevelOf(int score, RiskThresholds thresholds) =>
        score >= thresholds.Critical ? RiskLevel.Critical
        : score >= thresholds.High ? RiskLevel.High
        : score >= thresholds.Medium ? RiskLevel.Medium
        : RiskLevel.Low;

    private static Decision Recommend(int score, RiskFactor[] factors, RiskThresholds thresholds) =>
        score >= thresholds.DenyAt ? Decision.Deny
        : score >= thresholds.StepUpAt || (thresholds.RequireAllTrusted && !factors.All(f => f.IsTrusted)) ? Decision.StepUp
        : Decision.Allow;
}
