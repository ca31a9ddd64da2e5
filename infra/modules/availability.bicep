metadata description = 'Asks the health route from outside, and says so when nobody or an unhealthy stream answers.'

@description('Name of the test and of its alert.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Where results are kept.')
param applicationInsightsId string

@description('The URL that has to answer 200.')
param url string

@description('Who is told; empty for nobody.')
param actionGroupId string

@description('Where the runbook is.')
param runbookUrl string

@description('Test locations, by their population tags (they differ between clouds).')
param locations array = ['emea-nl-ams-azr', 'us-va-ash-azr', 'apac-sg-sin-azr']

@description('How many locations have to fail at once.')
@minValue(1)
@maxValue(5)
param failedLocationCount int = 2

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
    Locations: [for place in locations: {
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

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: name
  location: 'global'
  tags: union(tags, { 'hidden-link:${applicationInsightsId}': 'Resource', 'hidden-link:${test.id}': 'Resource' })
  properties: {
    description: 'The health route does not answer, or says unhealthy. What to do: ${runbookUrl}#health-from-outside'
    enabled: true
    severity: 1
    scopes: [test.id, applicationInsightsId]
    windowSize: 'PT15M'
    evaluationFrequency: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: applicationInsightsId
      failedLocationCount: failedLocationCount
    }
    actions: empty(actionGroupId) ? [] : [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
