namespace AuthSidecar.Cli.Policies.Testing;

/// <summary>What tests have seen of policies: that each was satisfied, and that each condition came out both ways. A condition behind one
/// that fails is not reached, in a test as in a decision.</summary>
internal sealed class Coverage(PolicySet policies)
{
    private readonly Dictionary<Policy, Seen> _seen = policies.Policies.ToDictionary(p => p, _ => new Seen());

    /// <summary>How much of what can be seen was, in percent; 100 when there is nothing to see.</summary>
    public double Percent => _seen.Count == 0 ? 100 : 100.0 * _seen.Sum(s => s.Value.Count) / _seen.Sum(s => s.Value.MostOf(s.Key));

    public void Add(EntityStore entities, Request request)
    {
        foreach (var policy in policies.Policies)
        {
            var trace = Explainer.Explain(policy, entities, request);
            if (trace.Outcome != PolicyOutcome.ScopeDoesNotMatch)
                _seen[policy].Add(trace);
        }
    }

    public void Write(TextWriter output)
    {
        output.WriteLine(
            $"coverage: {_seen.Values.Count(s => s.Satisfied > 0)} of {_seen.Count} policies were satisfied, {Percent:F0} % of policies "
                + "and outcomes of conditions were seen");
        foreach (var (policy, seen) in _seen)
        {
            var (line, column) = policy.Position;
            output.WriteLine(
                $"  {(seen.Count == seen.MostOf(policy) ? "full" : seen.Matched == 0 ? "none" : "part")}  {policy.Id} "
                    + $"({policy.Source.Name}:{line}:{column}): matched {seen.Matched}, satisfied {seen.Satisfied}");
            for (var i = 0; i < policy.ConditionCount; i++)
            {
                var (holds, fails, errs) = seen.Conditions.GetValueOrDefault(i);
                output.WriteLine($"          {policy.ConditionText(i)}: held {holds}, failed {fails}{(errs > 0 ? $", erred {errs}" : "")}");
            }
        }
    }

    private sealed class Seen
    {
        public int Matched { get; private set; }
        public int Satisfied { get; private set; }

        public Dictionary<int, (int Holds, int Fails, int Errs)> Conditions { get; } = [];

        /// <summary>That the policy was satisfied, and of each condition that it held and that it failed.</summary>
        public int Count => (Satisfied > 0 ? 1 : 0) + Conditions.Values.Sum(c => (c.Holds > 0 ? 1 : 0) + (c.Fails > 0 ? 1 : 0));

        public int MostOf(Policy policy) => 1 + (2 * policy.ConditionCount);

        public void Add(PolicyTrace trace)
        {
            Matched++;
            Satisfied += trace.Outcome == PolicyOutcome.Satisfied ? 1 : 0;
            for (var i = 0; i < trace.Conditions.Count; i++)
            {
                var (holds, fails, errs) = Conditions.GetValueOrDefault(i);
                var condition = trace.Conditions[i];
                Conditions[i] = condition.Error is not null ? (holds, fails, errs + 1)
                    : condition.Holds ? (holds + 1, fails, errs) : (holds, fails + 1, errs);
            }
        }
    }
}
