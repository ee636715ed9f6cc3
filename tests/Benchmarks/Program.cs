using Benchmarks;

// The host of load.sh: a whole sidecar with the sample's bundle, and an empty call beside the real ones.
return args is ["host", var folder, var port] ? await LoadHost.RunAsync(folder, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture)) : 2;
