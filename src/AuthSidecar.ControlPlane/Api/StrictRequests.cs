using System.Text.Unicode;
using Google.Api;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>Refuses HTTP/JSON requests that say something which nothing is made of: fields that there are not, fields said twice, query
/// parameters that belong to nothing, a name in the body that is not that of the address. What turns JSON into messages passes over all of
/// these in silence.</summary>
internal static class StrictRequests
{
    private const string Json = "application/json";
    private const string WholeBody = "*";
    private const string UpdateMask = "update_mask";
    private const int MostFaults = 20;
    private const string WellKnown = "google.protobuf.";

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    public static void UseStrictRequests(this WebApplication app) => app.Use(async (context, next) =>
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcJsonTranscodingMetadata>() is { } call)
        {
            try
            {
                await CheckAsync(context, call.MethodDescriptor.InputType, call.HttpRule);
            }
            catch (RpcException e)
            {
                await ErrorResponse.WriteAsync(context, e);
                return;
            }
        }

        await next(context);
    });

    private static async Task CheckAsync(HttpContext context, MessageDescriptor message, HttpRule rule)
    {
        var faults = new List<Fault>();
        CheckQuery(context.Request, message, rule, faults);
        if (rule.Body.Length > 0 && context.Request.HasJsonContentType())
        {
            var (body, field) = (await ReadBodyAsync(context), rule.Body == WholeBody ? null : message.FindFieldByName(rule.Body));
            if (!Utf8.IsValid(body.Span))
                throw ApiErrors.InvalidField("body", "not valid UTF-8");

            try
            {
                using var document = JsonDocument.Parse(body, Options);
                new Reader(faults, message.FindFieldByName(UpdateMask) is null ? null
                    : MaskOf(context.Request, document.RootElement, field is null))
                    .CheckMessage(document.RootElement, field?.MessageType ?? message, "", field is null ? null : "");
                CheckPath(document.RootElement, context, message, field, faults);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                // The second is what a name is that is no Unicode text, such as `\\ud800`.
                throw ApiErrors.InvalidField("body", $"not valid JSON: {e.Message}");
            }
        }

        RequestChecks.None(faults);
    }

    /// <summary>Reads the body, and puts it back for the one that makes messages of it.</summary>
    private static async Task<ReadOnlyMemory<byte>> ReadBodyAsync(HttpContext context)
    {
        var buffered = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffered, context.RequestAborted);
        buffered.Position = 0;
        context.Request.Body = buffered;
        return buffered.GetBuffer().AsMemory(0, (int)buffered.Length);
    }

    /// <summary>The paths that a request's update mask names, by the names of the contract; none where there is no mask.</summary>
    private static HashSet<string> MaskOf(HttpRequest request, JsonElement body, bool isWhole)
    {
        var text = isWhole && body.ValueKind == JsonValueKind.Object
            && (body.TryGetProperty("updateMask", out var mask) || body.TryGetProperty(UpdateMask, out mask))
            && mask.ValueKind == JsonValueKind.String
            ? mask.GetString()!
            : request.Query.FirstOrDefault(q => q.Key is "updateMask" or UpdateMask).Value.ToString();
        return text.Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(p => string.Concat(p.Select(c => char.IsAsciiLetterUpper(c) ? $"_{char.ToLowerInvariant(c)}" : $"{c}")))
            .ToHashSet(StringComparer.Ordinal);
    }

    /// <param name="faults">What is wrong, as far as it is told.</param>
    /// <param name="mask">What the update mask names; null: the call has none.</param>
    private sealed class Reader(List<Fault> faults, HashSet<string>? mask)
    {
        /// <param name="message">What it is.</param>
        /// <param name="path">Where it is, in the caller's words.</param>
        /// <param name="written">Where it is in the object that is written, in the contract's words; null: it has that object in
        /// it.</param>
        public void CheckMessage(JsonElement json, MessageDescriptor message, string path, string? written)
        {
            // What is no object where one belongs is told of by the one that makes messages of it.
            if (json.ValueKind != JsonValueKind.Object || message.FullName.StartsWith(WellKnown, StringComparison.Ordinal))
                return;

            var seen = new HashSet<FieldDescriptor>();
            foreach (var property in json.EnumerateObject())
            {
                if (faults.Count >= MostFaults)
                    return;

                var name = path.Length == 0 ? property.Name : $"{path}.{property.Name}";
                if (Find(message, property.Name) is not { } field)
                {
                    faults.Add(Unknown(name, message, faults.Count));
                }
                else if (!seen.Add(field))
                {
                    faults.Add(new Fault(name, 0, 0, $"given twice, as `{field.JsonName}` and as `{field.Name}`"));
                }
                else
                {
                    CheckValue(
                        property.Value, field, name, written is null ? "" : written.Length == 0 ? field.Name : $"{written}.{field.Name}");
                }
            }
        }

        private void CheckValue(JsonElement json, FieldDescriptor field, string name, string written)
        {
            if (field.IsRepeated && mask is not null && written.Length > 0 && IsEmpty(json) && !mask.Contains("*")
                && !mask.Contains(written))
            {
                // It would be passed over: what is not given stays as it is.
                faults.Add(new Fault(name, 0, 0, $"empty list or map: add `{written}` to `updateMask` to clear it"));
            }
            else if (field.IsMap)
            {
                var value = field.MessageType.FindFieldByNumber(2);
                if (json.ValueKind == JsonValueKind.Object && value.FieldType == FieldType.Message)
                {
                    foreach (var entry in json.EnumerateObject())
                        CheckMessage(entry.Value, value.MessageType, $"{name}.{entry.Name}", written);
                }
            }
            else if (field.FieldType == FieldType.Message && field.IsRepeated)
            {
                if (json.ValueKind == JsonValueKind.Array)
                {
                    var i = 0;
                    foreach (var item in json.EnumerateArray())
                        CheckMessage(item, field.MessageType, $"{name}[{i++}]", written);
                }
            }
            else if (field.FieldType == FieldType.Message)
            {
                CheckMessage(json, field.MessageType, name, written);
            }
        }

        private static bool IsEmpty(JsonElement json) => json.ValueKind switch
        {
            JsonValueKind.Array => json.GetArrayLength() == 0,
            JsonValueKind.Object => !json.EnumerateObject().Any(),
            _ => false,
        };
    }

    /// <summary>The path says which object it is: what the body says of that is the same, or nothing.</summary>
    private static void CheckPath(
        JsonElement body, HttpContext context, MessageDescriptor message, FieldDescriptor? bodyField, List<Fault> faults)
    {
        foreach (var (name, value) in context.Request.RouteValues)
        {
            var names = name.Split('.');
            if (bodyField is not null && names[0] != bodyField.Name)
                continue;

            var (json, at) = (body, bodyField is null ? message : bodyField.MessageType);
            foreach (var field in names.Skip(bodyField is null ? 0 : 1).Select(n => at.FindFieldByName(n)))
            {
                json = json.ValueKind == JsonValueKind.Object
                    && (json.TryGetProperty(field.JsonName, out var found) || json.TryGetProperty(field.Name, out found)) ? found : default;
                at = field.FieldType == FieldType.Message ? field.MessageType : at;
            }

            if (json.ValueKind == JsonValueKind.String && json.GetString() is { Length: > 0 } said && said != value as string)
                faults.Add(new Fault(name, 0, 0, $"`{said}` in the body differs from `{value}` in the path"));
        }
    }

    private static void CheckQuery(HttpRequest request, MessageDescriptor message, HttpRule rule, List<Fault> faults)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, values) in request.Query.TakeWhile(_ => faults.Count < MostFaults))
        {
            var field = FindPath(message, name, out var path);
            if (field is null || rule.Body == WholeBody || path.Split('.')[0] == rule.Body || request.RouteValues.ContainsKey(path))
                faults.Add(Unknown(name, rule.Body == WholeBody ? null : message, faults.Count));
            else if (!seen.Add(path) || (values.Count > 1 && !field.IsRepeated))
                faults.Add(new Fault(name, 0, 0, "given more than once"));
        }
    }

    /// <param name="text">A path, in either of the names that fields have.</param>
    /// <param name="path">The same, in the names of the contract.</param>
    private static FieldDescriptor? FindPath(MessageDescriptor message, string text, out string path)
    {
        path = "";
        FieldDescriptor? field = null;
        MessageDescriptor? at = message;
        foreach (var name in text.Split('.'))
        {
            field = at is null ? null : Find(at, name);
            if (field is null)
                return null;

            path = path.Length == 0 ? field.Name : $"{path}.{field.Name}";
            at = field is { FieldType: FieldType.Message, IsRepeated: false } ? field.MessageType : null;
        }

        return field;
    }

    private static FieldDescriptor? Find(MessageDescriptor message, string name)
    {
        foreach (var field in message.Fields.InDeclarationOrder())
        {
            if (field.JsonName == name || field.Name == name)
                return field;
        }

        return null;
    }

    /// <summary>Lists the known fields in the first fault only, to bound the size of the answer.</summary>
    private static Fault Unknown(string name, MessageDescriptor? message, int before) => new(
        name,
        0,
        0,
        message is null ? "unknown query parameter: all fields of this request belong in the body"
        : before > 0 ? $"unknown field of `{message.Name}`"
        : $"unknown field: `{message.Name}` has {string.Join(", ", message.Fields.InDeclarationOrder().Select(f => $"`{f.JsonName}`"))}");
}
