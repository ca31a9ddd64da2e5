metadata description = 'Asks the health route from outside, and says so when nobody or an unhealthy stream answers.'

@description('Begins the name of the test and of its alert.')
param namePrefix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Where results are kept.')
param applicationInsightsId string

@description('The URL that has to answer 200.')
param url string

@description('Whether the alert is made, and not only the test.')
param alertsEnabled bool

@description('Who is told.')
param actionGroupId string

@description('Changes to rules, by key.')
param overrides object

@description('Where the runbook is.')
param runbookUrl string

@description('From where it is asked, by population tags.')
param places array

var defaults = loadJsonContent('../alerts/availability-alert.json')
var rule = union(defaults, contains(overrides, defaults.key) ? overrides[defaults.key] : {})
var name = '${namePrefix}-${rule.key}'

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: name
  location: location
  tags: union(tags, { 'hidden-link:${applicationInsightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: name
    Name: name
    Description: 'The stream is healthy or degraded; unhealthy answers 503.'
    Enabled: true
    Kind: 'standard'
    Frequency: 300
    Timeout: 30
    RetryEnabled: true
    Locations: [for place in places: {
      Id: place
    }]
    Request: {
      HttpVerb: 'GET'
      RequestUrl: url
      ParseDependentRequests: false
      FollowRedirects: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = if (alertsEnabled && rule.enabled) {
  name: name
  location: 'global'
  tags: union(tags, { 'hidden-link:${applicationInsightsId}': 'Resource', 'hidden-link:${test.id}': 'Resource' })
  properties: {
    description: '${rule.title}. ${rule.description} What to do: ${runbookUrl}#${rule.key}'
    enabled: true
    severity: rule.severity
    scopes: [test.id, applicationInsightsId]
    windowSize: rule.window
    evaluationFrequency: rule.frequency
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: applicationInsightsId
      failedLocationCount: rule.threshold
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
