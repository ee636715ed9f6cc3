namespace AuthSidecar.ControlPlane.Api;

/// <summary>Faults of a document that was made from a request, at the fields of that request.</summary>
internal static class RequestFaults
{
    /// <param name="message">The message within the request that the document was made from, such as <c>settings</c>.</param>
    /// <param name="fault">A fault. Its position is omitted: the caller sent fields, not the document it is a position in.</param>
    public static Fault In(string message, Fault fault) => fault with
    {
        Source = fault.Field is null ? message : $"{message}.{JsonNamingPolicy.SnakeCaseLower.ConvertName(fault.Field)}",
        Line = 0,
        Column = 0,
    };
}
