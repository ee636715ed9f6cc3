namespace AuthSidecar.Cedar;

/// <summary>Values as text.</summary>
public static class ValueExtensions
{
    extension(Value)
    {
        /// <summary>Reads a constant Cedar expression, such as <c>[1, User::"alice", ip("10.0.0.1")]</c>.</summary>
        /// <returns>False with a fault when the text is no expression, or one that needs a request.</returns>
        public static bool TryParse(string text, out Value value, [NotNullWhen(false)] out Fault? fault)
        {
            var source = SourceText.Of(text);
            var faults = new List<Fault>();
            value = Parser.ParseExpression(source, faults) is { } expr ? Compiler.EvaluateConstant(source, expr, faults) : default;
            fault = faults.FirstOrDefault();
            return fault is null;
        }
    }
}
